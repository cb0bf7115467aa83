"""Check a flow against its source, its hooks and its server (`validate --live`)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from flowrun.chain.stages import Stages
from flowrun.errors import FlowrunError, SourceError
from flowrun.frame import Frame
from flowrun.hooks.loader import Hook, check_hooks, open_checking, open_hooks
from flowrun.hooks.outputs import HookOutputs
from flowrun.inference import Request, Result
from flowrun.kserve.connect import look_up
from flowrun.kserve.contract.compare import mismatches, names_only
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.server.embedded import serving
from flowrun.ledger.ledger import Ledger
from flowrun.media.ffmpeg.encoder_names import check_codec
from flowrun.media.protocols import SourceContext
from flowrun.media.sinks.sound_support import check_sound
from flowrun.media.sources import make_source
from flowrun.operators.limit import Limit
from flowrun.sound import SoundFormat
from flowrun.spec.flow import Flow, SinkSpec
from flowrun.spec.problems import Remark

HOOK_TIMEOUT = 60.0  # seconds to import, construct, call once and close all hooks
SIZE = (640, 480)  # of the blank image that is used if the source is unavailable


def check(flow: Flow, *, hook_timeout: float = HOOK_TIMEOUT) -> list[Remark]:
    """Check a valid flow against ffmpeg's encoders, its source, its hooks and its server, in that
    order.

    Captures one frame, makes a request of it as a run does, and compares it with the model's
    metadata; nothing is sent to the model, and everything is closed again. If the source or a hook
    fails, the server is checked all the same. Waits for the source as `source` says (one attempt),
    for hooks `hook_timeout` seconds, and for each server `transport.timeout`, at least 2 s. Runs
    user code: preprocess hooks on a thread of its own, and postprocess hooks that declare
    `check_outputs`.
    """
    remarks: list[Remark] = _sinks(flow, check_codec)
    try:
        frame, sound = _first_frame(flow)
        remarks += _sinks(flow, lambda spec, key: check_sound(spec, sound, key))
    except FlowrunError as error:
        width, height = flow.source.size or SIZE
        note = f"a blank image of {width}x{height} is used instead of the first frame"
        remarks += [Remark.of(error), Remark("source", note, severity="note")]
        frame = Frame(np.zeros((height, width, 3), np.uint8), 0, 0.0, 0.0, 0.0)
    with ExitStack() as opened:
        made = _prepared_in_time(flow, frame, hook_timeout)
        for hook in made.reading:
            opened.callback(hook.close)
        remarks += made.remarks
        try:
            with serving(flow.transport) as addresses:
                remarks += _servers(flow, addresses, made)
        except FlowrunError as error:
            remarks.append(Remark.of(error))
    return remarks


def _sinks(flow: Flow, check: Callable[[SinkSpec, str], None]) -> list[Remark]:
    found = []
    for key, spec in flow.sinks_by_key.items():
        try:
            check(spec, key)
        except FlowrunError as error:
            found.append(Remark.of(error))
    return found


class _Prepared(NamedTuple):
    """The request that the preprocess hooks make of a frame, the remarks on all hooks, and the
    postprocess hooks that check the outputs of the model, open."""

    request: Request | None
    remarks: list[Remark]
    reading: tuple[Hook, ...] = ()


def _first_frame(flow: Flow) -> tuple[Frame, SoundFormat | None]:
    """Capture one frame; with the format of the sound, if a sink copies it. Raises `SourceError`
    or `InvalidFlowError` if the first attempt fails."""
    once = replace(flow.source, startup="fail", on_loss="stop", pace="fast", loop=False)
    context = SourceContext(sound=flow.copies_sound)
    with closing(make_source(once, context)) as source:
        info = source.open()
        for frame in source:
            return frame, None if info is None else info.sound
    raise SourceError("the source has no frames", reason="no video")


def _prepared_in_time(flow: Flow, frame: Frame, timeout: float) -> _Prepared:
    """`_prepared`, on a thread of its own."""
    made: Future[_Prepared] = Future()
    threading.Thread(
        target=_complete, args=(made, lambda: _prepared(flow, frame)), daemon=True
    ).start()
    if wait([made], timeout).done:
        return made.result()
    text = f"the hooks did not return within {timeout:g} s"
    return _Prepared(None, [Remark("preprocess", text, "a hook must not block")])


def _complete(future: Future[_Prepared], call: Callable[[], _Prepared]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)


def _prepared(flow: Flow, frame: Frame) -> _Prepared:
    remarks = [Remark.of(error) for error in check_hooks(flow.postprocess, "postprocess")]
    request: Request | None = None
    ledger = Ledger()
    try:
        with ExitStack() as parts:
            hooks = open_hooks(flow.preprocess, "preprocess")
            for hook in hooks:
                parts.callback(hook.close)
            stages = Stages(
                flow.transport,
                preprocess=[replace(hook, on_error="fail") for hook in hooks],
                transport=_NoTransport(),
                postprocess=(),
                ledger=ledger,
                window=Limit(1),
                color=flow.source.color,
            )
            ledger.captured(frame)
            job = stages.preprocess(frame)
    except FlowrunError as error:
        remarks.insert(0, Remark.of(error))
    else:
        if job is None:
            text = "the hooks drop the first frame: types and shapes are not checked"
            remarks.insert(0, Remark("preprocess", text, severity="note"))
        else:
            request = job.request
    return _Prepared(request, remarks, open_checking(flow.postprocess, "postprocess"))


class _NoTransport:
    def submit(self, request: Request) -> Future[Result | None]:
        raise AssertionError("a check sends nothing to the model")


def _servers(flow: Flow, addresses: Sequence[str], made: _Prepared) -> list[Remark]:
    """The remarks on all servers, with the addresses where they do not apply to all."""
    found = {address: list(_server(flow, address, made)) for address in addresses}

    def placed(remark: Remark) -> Remark:
        at = [address for address, each in found.items() if remark in each]
        if len(at) == len(addresses) or any(address in remark.message for address in at):
            return remark
        return remark._replace(message=f"{remark.message} (at {', '.join(at)})")

    return [placed(each) for each in dict.fromkeys(itertools.chain(*found.values()))]


def _server(flow: Flow, address: str, made: _Prepared) -> Iterator[Remark]:
    spec = flow.transport
    try:
        model = look_up(spec, (address,))
    except FlowrunError as error:
        remark = Remark.of(error)
        if remark.key == "transport.address" and len(spec.address) > 1:
            remark = remark._replace(key=f"transport.address[{spec.address.index(address)}]")
        yield remark
        return
    shown, reads = not flow.postprocess, HookOutputs(made.reading)
    try:
        errors = mismatches(model, spec, made.request, shown=shown, reads=reads)
        yield from map(Remark.of, errors)
    except FlowrunError as error:  # a tensor that the protocol does not support
        yield Remark.of(error)
    yield from (Remark("transport.address", each, severity="note") for each in model.remarks)
    if names_only(model):
        yield Remark("transport.model", _names_only(model), severity="note")


def _names_only(model: ModelInfo) -> str:
    return (
        f"{model.server or 'the server'} reports only the names of the inputs and outputs of"
        f" {model.name!r}: types and shapes are not checked"
    )
