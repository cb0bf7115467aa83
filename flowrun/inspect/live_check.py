"""What is wrong with a flow, as source, hooks and server themselves say it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing
from dataclasses import replace

import numpy as np

from flowrun.chain.stages import Stages
from flowrun.errors import FlowrunError, SourceError
from flowrun.frame import Frame
from flowrun.hooks.loader import check_hooks, open_hooks
from flowrun.inference import Request, Result
from flowrun.kserve.connect import look_up
from flowrun.kserve.contract.compare import misfits, names_only
from flowrun.kserve.contract.metadata import ModelInfo
from flowrun.kserve.server.embedded import serving
from flowrun.ledger.ledger import Ledger
from flowrun.media.sources import make_source
from flowrun.operators.limit import Limit
from flowrun.spec.flow import Flow, SourceSpec
from flowrun.spec.problems import Remark

PATIENCE = 60.0  # seconds for hooks to be imported, constructed, called once and closed
SIZE = (640, 480)  # of the picture that stands in for one of a source that is not there


def check(flow: Flow, *, patience: float = PATIENCE) -> list[Remark]:
    """Everything that source, preprocess hooks and server have against a valid flow, in that order.

    Takes one frame, makes a request of it as a run does, and compares it with what the server says
    of the model; nothing is sent to the model, and nothing stays open. Where the source or a hook
    fails, the server is asked all the same. Waits for the source as long as `source` says (for one
    attempt), for hooks `patience` seconds, and for each server `transport.timeout`, at least 2 s.
    Runs user code, on a thread of its own.
    """
    remarks: list[Remark] = []
    try:
        frame = _first_frame(flow.source)
    except FlowrunError as error:
        width, height = flow.source.size or SIZE
        standing_in = f"a picture of {width}x{height} stands in for the first frame"
        remarks += [Remark.of(error), Remark("source", standing_in, severity="note")]
        frame = Frame(np.zeros((height, width, 3), np.uint8), 0, 0.0, 0.0, 0.0)
    request, found = _request(flow, frame, patience)
    remarks += found
    try:
        with serving(flow.transport) as addresses:
            remarks += _servers(flow, addresses, request)
    except FlowrunError as error:
        remarks.append(Remark.of(error))
    return remarks


def _first_frame(spec: SourceSpec) -> Frame:
    """Raises `SourceError`, or `InvalidFlowError`, if there is none at the first attempt."""
    once = replace(spec, startup="fail", on_loss="stop", pace="fast", loop=False)
    with closing(make_source(once)) as source:
        source.open()
        for frame in source:
            return frame
    raise SourceError("there is no frame in it", reason="no video")


def _request(flow: Flow, frame: Frame, patience: float) -> tuple[Request | None, list[Remark]]:
    """What the preprocess hooks make of `frame`, and what is to be said of all hooks."""
    made: Future[tuple[Request | None, list[Remark]]] = Future()
    threading.Thread(
        target=_complete, args=(made, lambda: _prepared(flow, frame)), daemon=True
    ).start()
    if wait([made], patience).done:
        return made.result()
    text = f"the hooks did not return within {patience:g} s"
    return None, [Remark("preprocess", text, "a hook may not wait without an end")]


def _complete(
    future: Future[tuple[Request | None, list[Remark]]],
    call: Callable[[], tuple[Request | None, list[Remark]]],
) -> None:
    try:
        future.set_result(call())
    except BaseException as error:
        future.set_exception(error)


def _prepared(flow: Flow, frame: Frame) -> tuple[Request | None, list[Remark]]:
    remarks = [Remark.of(error) for error in check_hooks(flow.postprocess, "postprocess")]
    ledger = Ledger()
    try:
        with ExitStack() as parts:
            hooks = open_hooks(flow.preprocess, "preprocess")
            for hook in hooks:
                parts.callback(hook.close)
            stages = Stages(
                flow.transport,
                preprocess=[replace(hook, on_error="fail") for hook in hooks],
                transport=_Nowhere(),
                postprocess=(),
                ledger=ledger,
                window=Limit(1),
                color=flow.source.color,
            )
            ledger.captured(frame)
            job = stages.preprocess(frame)
    except FlowrunError as error:
        return None, [Remark.of(error), *remarks]
    if job is None:
        text = "the hooks drop the first frame: types and shapes are not compared"
        return None, [Remark("preprocess", text, severity="note"), *remarks]
    return job.request, remarks


class _Nowhere:
    def submit(self, request: Request) -> Future[Result | None]:
        raise AssertionError("a check sends nothing to the model")


def _servers(flow: Flow, addresses: Sequence[str], request: Request | None) -> list[Remark]:
    """What each of the servers says; at which of them, where it is not the same for all."""
    found = {address: list(_server(flow, address, request)) for address in addresses}

    def placed(remark: Remark) -> Remark:
        at = [address for address, each in found.items() if remark in each]
        if len(at) == len(addresses) or any(address in remark.message for address in at):
            return remark
        return remark._replace(message=f"{remark.message} (at {', '.join(at)})")

    return [placed(each) for each in dict.fromkeys(itertools.chain(*found.values()))]


def _server(flow: Flow, address: str, request: Request | None) -> Iterator[Remark]:
    spec = flow.transport
    try:
        model = look_up(spec, (address,))
    except FlowrunError as error:
        remark = Remark.of(error)
        if remark.key == "transport.address" and len(spec.address) > 1:
            remark = remark._replace(key=f"transport.address[{spec.address.index(address)}]")
        yield remark
        return
    try:
        yield from map(Remark.of, misfits(model, spec, request, shown=not flow.postprocess))
    except FlowrunError as error:  # a tensor that the protocol does not know
        yield Remark.of(error)
    yield from (Remark("transport.address", each, severity="note") for each in model.remarks)
    if names_only(model):
        yield Remark("transport.model", _names_only(model), severity="note")


def _names_only(model: ModelInfo) -> str:
    return (
        f"{model.server or 'the server'} says what inputs and outputs of {model.name!r} are called,"
        " not what they are: only the names were compared"
    )
