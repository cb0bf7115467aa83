"""Compile a flow and its open parts into one observable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from reactivex import Observable
from reactivex import operators as ops

from flowrun.chain.fan_out import FanOut, SinkBranch
from flowrun.chain.queues import buffer
from flowrun.chain.stages import Job, Stages
from flowrun.frame import Frame
from flowrun.ledger.ledger import Ledger
from flowrun.media.protocols import LiveSink
from flowrun.operators.bounded import bounded
from flowrun.operators.filter_map import filter_map
from flowrun.operators.in_flight import in_flight
from flowrun.operators.mark_last import mark_last
from flowrun.operators.multicast import multicast
from flowrun.operators.pull import pull
from flowrun.operators.scheduler import WaitableScheduler
from flowrun.operators.tick import tick
from flowrun.spec.flow import Flow, Limits


@dataclass(frozen=True, slots=True)
class Threads:
    """The schedulers of the stages. Several stages may share one only in virtual time."""

    source: WaitableScheduler
    preprocess: WaitableScheduler
    deliver: WaitableScheduler


def compile_flow(
    flow: Flow,
    source: Iterable[Frame],
    stages: Stages,
    fan_out: FanOut,
    ledger: Ledger,
    on: Threads,
    failing: Callable[[Exception], None] = lambda _: None,
) -> Observable[Frame]:
    """The frames that a sink has written, in source order for each sink.

    `flow` has its policy. `failing` is called at once with an error before the model, which arrives
    after the frames before it. Bounds: `backpressure.buffer` frames in the buffer (one with
    `latest`), one in preprocessing (and one more with `transport.sequence`), and the window of
    `stages` between the request and the end of the sink's write; the source holds one more, and
    each sink with a queue what that holds.
    """
    queue = buffer(flow)
    report: Callable[[Observable[Job]], Observable[Job]] = ops.do_action(on_error=failing)
    frames = pull(stages.capture(source), on.source).pipe(
        limited(flow.limits),
        ops.do_action(ledger.captured, failing),
        bounded(
            queue.capacity,
            queue.when_full,
            on.preprocess,
            ledger.superseded,
            stages.buffer,
        ),
        filter_map(stages.fresh),  # after this, no frame is dropped for being late
    )
    jobs = frames.pipe(filter_map(stages.preprocess), report)  # Frame -> Job
    if flow.transport.sequence:
        jobs = jobs.pipe(mark_last(stages.mark_last))
    return jobs.pipe(
        in_flight(stages.submit, stages.window, on.deliver),
        filter_map(stages.settle),  # Outcome -> JobResult
        filter_map(stages.postprocess),  # JobResult -> Frame
        ops.do_action(fan_out.offer),
        multicast(*(into(branch, fan_out) for branch in fan_out)),
    )


def into(branch: SinkBranch, fan_out: FanOut) -> Callable[[Observable[Frame]], Observable[Frame]]:
    """The operators of one sink, on a thread of its own if it has a queue."""
    write = ops.map(partial(fan_out.write, branch))
    queue = branch.queue
    if queue is None:
        return write
    drop = partial(fan_out.drop, branch)
    steps = [bounded(queue.capacity, queue.when_full, queue.on, drop, queue.waiting), write]
    if isinstance(branch.sink, LiveSink):
        steps.append(tick(partial(fan_out.tick, branch), branch.sink.every, queue.on))
    return lambda frames: frames.pipe(*steps)


def limited(limits: Limits) -> Callable[[Observable[Frame]], Observable[Frame]]:
    """Pass exactly `frames` frames, and none `duration` seconds or more after the first."""

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
        # Half a microsecond: presentation times are ticks, which floats do not represent exactly.
        return frame.time - start < duration - 5e-7

    return ops.take_while(is_inside)
