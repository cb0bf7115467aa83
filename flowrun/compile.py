"""The picture: a flow and its open parts as one observable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reactivex import Observable
from reactivex import operators as ops

from flowrun.frame import Frame
from flowrun.ledger import Ledger
from flowrun.operators.bounded import WhenFull, bounded
from flowrun.operators.filter_map import filter_map
from flowrun.operators.in_flight import in_flight
from flowrun.operators.pull import pull
from flowrun.operators.scheduler import WaitableScheduler
from flowrun.spec.flow import Flow, Limits
from flowrun.stages import Stages


@dataclass(frozen=True, slots=True)
class Threads:
    """Where the stages run. One scheduler may serve several of them only in virtual time."""

    source: WaitableScheduler
    preprocess: WaitableScheduler
    deliver: WaitableScheduler


def compile_flow(
    flow: Flow, source: Iterable[Frame], stages: Stages, ledger: Ledger, on: Threads
) -> Observable[Frame]:
    """The frames that the sink has accepted, in source order.

    At most `backpressure.buffer` frames wait, one is preprocessed, and `transport.in_flight` are
    between the request and the end of the sink's write; the source holds one more.
    """
    frames = pull(stages.capture(source), on.source).pipe(
        limited(flow.limits),
        ops.do_action(ledger.captured),
    )
    return frames.pipe(
        bounded(  # the only place where frames are dropped unseen
            flow.backpressure.buffer if when_full(flow) == "block" else 1,
            when_full(flow),
            on.preprocess,
            ledger.superseded,
        ),
        filter_map(stages.preprocess),  # Frame -> Job
        in_flight(stages.submit, flow.transport.in_flight, on.deliver),
        filter_map(stages.settle),  # Outcome -> Answer
        filter_map(stages.postprocess),  # Answer -> Frame
        ops.map(stages.write),
    )


def when_full(flow: Flow) -> WhenFull:
    """What a full buffer does, as `backpressure` says; by default nothing of a file is skipped."""
    policy = flow.backpressure.policy
    if policy == "auto":
        policy = "every_frame" if flow.source.kind in ("file", "test") else "latest"
    return "drop_oldest" if policy == "latest" else "block"


def limited(limits: Limits) -> Callable[[Observable[Frame]], Observable[Frame]]:
    """Exactly `frames` frames, and none `duration` seconds or more after the first."""

    def operator(frames: Observable[Frame]) -> Observable[Frame]:
        if limits.duration is not None:
            frames = frames.pipe(_lasting(limits.duration))
        if limits.frames is not None:
            frames = frames.pipe(ops.take(limits.frames))
        return frames

    return operator


def _lasting(duration: float) -> Callable[[Observable[Frame]], Observable[Frame]]:
    start: float | None = None

    def is_inside(frame: Frame) -> bool:
        nonlocal start
        start = frame.time if start is None else start
        # Half a microsecond: presentation times are ticks, and floats of them are not exact.
        return frame.time - start < duration - 5e-7

    return ops.take_while(is_inside)
