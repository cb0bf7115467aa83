"""The texts in the boxes of the graph and on its edges."""

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
    """`text` describes the flow's `key`."""

    key: str
    text: str


def source(flow: Flow) -> Iterator[Stage]:
    """The source of a flow whose pace is decided, and the limits."""
    spec = flow.source
    live = {True: "live", False: "not live", None: "live unless its length is known"}
    facts = [live[spec.live]]
    if spec.size is not None:
        facts.append(f"{spec.size[0]}x{spec.size[1]}")
    if spec.fps is not None:
        facts.append(f"{spec.fps:g} fps")
    if not spec.live:
        facts.append("in real time" if spec.pace == "realtime" else "as fast as possible")
    if spec.loop:
        facts.append("looped")
    yield Stage("source", f"{spec.uri}  ({', '.join(facts)})")
    limits = {"frames": flow.limits.frames, "s": flow.limits.duration}
    reached = [f"{value:g} {unit}" for unit, value in limits.items() if value is not None]
    if reached:
        yield Stage("limits", " or ".join(reached))


def hooks(specs: Sequence[HookSpec], key: str) -> Iterator[Stage]:
    """The hooks of one list, or what is done without any."""
    for number, spec in enumerate(specs):
        options = ", ".join(f"{name}: {_option(name, value)}" for name, value in spec.with_.items())
        text = f"{spec.hook}  {{{options}}}" if options else spec.hook
        text += "" if spec.on_error == "fail" else f"  on_error: {spec.on_error}"
        yield Stage(f"{key}[{number}]", text)
    if not specs:
        model = "no hooks: the image is sent to the model unchanged"
        yield Stage(key, model if key == "preprocess" else "no hooks: the output is the image")


def _option(name: str, value: Any) -> str:
    if is_secret((name,)):
        return MASK
    if isinstance(value, dict | list):  # may be long or contain secrets
        return "{…}" if isinstance(value, dict) else "[…]"
    return value if isinstance(value, str) else json.dumps(value)


def transport(flow: Flow) -> Iterator[Stage]:
    """The model and its address, its input and output, and the error policies."""
    spec = flow.transport
    where = "in the embedded server" if spec.embedded else f"at {', '.join(spec.address)}"
    if spec.cassette is not None:
        pace = " at the recorded pace" if spec.replay_pace == "recorded" else ""
        where = f"from the cassette {spec.cassette}{pace}"
    version = "" if spec.version is None else f" (version {spec.version})"
    over = "" if spec.tls is None else ", over TLS"
    yield Stage("transport", f"{spec.mode}, {spec.model}{version} {where}{over}")
    form = "a JPEG" if spec.encoding == "jpeg" else f"{spec.dtype} {spec.layout}"
    form += ", a batch of 1" if spec.batch else ""
    yield Stage("transport.input", f"{spec.input or 'the only input'}: {form}")
    outputs = "all outputs" if flow.postprocess else "the only output"
    outputs = ", ".join(spec.outputs or (outputs,))
    yield Stage("transport.output", spec.output or outputs)
    yield Stage("transport.on_error", f"{spec.on_error}, timeout {spec.timeout:g} s")
    outage = policies.foreseen(flow).get("transport.on_outage", spec.on_outage)
    yield Stage("transport.on_outage", outage)


def queue(name: str, spec: QueueSpec, producer: str) -> str:
    """`buffer: 4 frames; when full, the source waits`, `producer` being the source."""
    frames = "1 frame" if spec.capacity == 1 else f"{spec.capacity} frames"
    full = f"{producer} waits" if spec.when_full == "block" else "the oldest is dropped"
    return f"{name}: {frames}; when full, {full}"


def policy(flow: Flow) -> str:
    """The backpressure policy of `flow` and its reason, as far as it is known before a run."""
    live, foreseen = flow.source.live, policies.foreseen(flow)
    if live is None and "backpressure.policy" in foreseen:
        return f"backpressure: {foreseen['backpressure.policy']}"
    decided = policies.decided(flow, live=bool(live)).backpressure.policy
    text = policies.reason(flow, decided, live=bool(live))
    age = flow.backpressure.max_age
    return text if age is None else f"{text} ({age:g} s)"


def window(flow: Flow) -> tuple[str, ...]:
    """The window of a flow that has no `auto` left."""
    size = 1 if policies.is_one_at_a_time(flow) else flow.transport.in_flight
    number = "1 request" if size == 1 else f"{size} requests"
    if flow.backpressure.policy != "every_frame" and size != 1:
        number = f"at most {number}, as many as increase the throughput"
    return (f"window: {number}", "a slot is freed when its frame has reached the sink")
