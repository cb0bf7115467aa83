"""What stands in the boxes of the picture, and between them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flowrun.chain import policies
from flowrun.chain.queues import QueueSpec
from flowrun.spec.flow import Flow, HookSpec
from flowrun.spec.secrets import MASK, is_secret


@dataclass(frozen=True, slots=True)
class Stage:
    """`text` says what stands under the flow's `key`."""

    key: str
    text: str


def source(flow: Flow) -> Iterator[Stage]:
    """The source of a flow whose pace is decided, and the limits."""
    spec = flow.source
    said = [{True: "live", False: "not live", None: "live, unless its length is known"}[spec.live]]
    if spec.size is not None:
        said.append(f"{spec.size[0]}x{spec.size[1]}")
    if spec.fps is not None:
        said.append(f"{spec.fps:g} fps")
    if not spec.live:
        said.append("at its own pace" if spec.pace == "realtime" else "as fast as it goes")
    if spec.loop:
        said.append("again at its end")
    yield Stage("source", f"{spec.uri}  ({', '.join(said)})")
    limits = {"frames": flow.limits.frames, "s": flow.limits.duration}
    reached = [f"{value:g} {unit}" for unit, value in limits.items() if value is not None]
    if reached:
        yield Stage("limits", " or ".join(reached))


def hooks(specs: Sequence[HookSpec], key: str) -> Iterator[Stage]:
    """The hooks of one list, or what happens without any."""
    for number, spec in enumerate(specs):
        options = ", ".join(f"{name}: {_option(name, value)}" for name, value in spec.with_.items())
        text = f"{spec.hook}  {{{options}}}" if options else spec.hook
        text += "" if spec.on_error == "fail" else f"  on_error: {spec.on_error}"
        yield Stage(f"{key}[{number}]", text)
    if not specs:
        model = "the picture goes to the model as it is"
        yield Stage(key, model if key == "preprocess" else "the model's answer is the picture")


def _option(name: str, value: Any) -> str:
    if is_secret((name,)):
        return MASK
    if isinstance(value, dict | list):  # what may be long, or hold further secrets
        return "{…}" if isinstance(value, dict) else "[…]"
    return value if isinstance(value, str) else json.dumps(value)


def transport(flow: Flow) -> Iterator[Stage]:
    """Where the model is, what it gets, and what is done when it fails."""
    spec = flow.transport
    where = "inside the run" if spec.embedded else f"at {', '.join(spec.address)}"
    version = "" if spec.version is None else f" (version {spec.version})"
    over = "" if spec.tls is None else ", over TLS"
    yield Stage("transport", f"{spec.mode}, {spec.model}{version} {where}{over}")
    form = "a JPEG" if spec.encoding == "jpeg" else f"{spec.dtype} {spec.layout}"
    form += ", a batch of 1" if spec.batch else ""
    yield Stage("transport.input", f"{spec.input or 'the only one'}: {form}")
    yield Stage(
        "transport.output", spec.output or ("all of them" if flow.postprocess else "the only one")
    )
    yield Stage("transport.on_error", f"{spec.on_error}, at the latest after {spec.timeout:g} s")
    outage = policies.foreseen(flow).get("transport.on_outage", spec.on_outage)
    yield Stage("transport.on_outage", outage)


def room(what: str, of: QueueSpec, who: str) -> str:
    """`buffer: 4 frames; when it is full, the source waits`; `who` fills it."""
    frames = "1 frame" if of.capacity == 1 else f"{of.capacity} frames"
    full = f"{who} waits" if of.when_full == "block" else "the oldest gives way"
    return f"{what}: {frames}; when it is full, {full}"


def policy(flow: Flow) -> str:
    """The backpressure policy of `flow` and its reason, as far as it is known beforehand."""
    live, foreseen = flow.source.live, policies.foreseen(flow)
    if live is None and "backpressure.policy" in foreseen:
        return f"backpressure: {foreseen['backpressure.policy']}"
    decided = policies.decided(flow, live=bool(live)).backpressure.policy
    said = policies.reason(flow, decided, live=bool(live))
    age = flow.backpressure.max_age
    return said if age is None else f"{said} ({age:g} s)"


def window(flow: Flow) -> tuple[str, ...]:
    """The window of a flow that has no `auto` left."""
    most = flow.transport.in_flight
    number = "1 request" if most == 1 else f"{most} requests"
    if flow.backpressure.policy != "every_frame":
        number = f"at most {number}, no more than make it answer faster"
    return (f"window: {number}", "a place in it is free again when its frame has reached the sink")
