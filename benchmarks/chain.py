"""Measure the chain alone, without media and without a server: `python -m benchmarks.chain N`.

All operators, the ledger, two hooks that do nothing, a transport that responds at once and a null
sink, on the three threads of a run, for N frames; on a single core with `one` after N. Prints JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np

from flowrun.chain.compile import Threads, compile_flow
from flowrun.chain.fan_out import FanOut, SinkBranch
from flowrun.chain.stages import Stages
from flowrun.chain.threads import RunThreads
from flowrun.frame import Frame, VideoInfo
from flowrun.hooks.loader import Hook
from flowrun.inference import Request, Result
from flowrun.ledger.ledger import Ledger
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.operators.limit import Limit
from flowrun.spec.flow import BackpressureSpec, Flow, SinkSpec, SourceSpec, TransportSpec

SMALL = (36, 64, 3)
FIRST = 100  # frames until everything is warm


class AtOnce:
    """A transport whose results are available at once."""

    def submit(self, request: Request) -> Future[Result | None]:
        future: Future[Result | None] = Future()
        future.set_result(Result({"output": request.inputs[""]}))
        return future


def cost(frames: int) -> list[tuple[float, float]]:
    """Wall and CPU time in seconds at each thousandth of the frames from `FIRST` to the last."""
    picture = np.zeros(SMALL, np.uint8)
    marks: list[tuple[float, float]] = []
    every = max(1, (frames - FIRST) // 1000)

    def source() -> Iterator[Frame]:
        for index in range(frames):
            if index >= FIRST and (index - FIRST) % every == 0:
                marks.append((time.monotonic(), _cpu()))
            yield Frame(picture, index, index / 25, 0.04, time.monotonic())

    flow = Flow(
        "chain",
        SourceSpec("test"),
        TransportSpec("stream", ("nowhere:1",), "none"),
        (SinkSpec("null"),),
        backpressure=BackpressureSpec("every_frame"),
    )
    ledger, threads = Ledger(), RunThreads()
    stages = Stages(
        flow.transport,
        preprocess=[Hook("preprocess[0]", "none", "fail", lambda frame: frame, lambda: None)],
        transport=AtOnce(),
        postprocess=[
            Hook("postprocess[0]", "none", "fail", lambda frame, result: frame, lambda: None)
        ],
        ledger=ledger,
        window=Limit(4),
    )
    sink = open_sink(SinkSpec("null"), SinkContext(VideoInfo(SMALL[1], SMALL[0])))
    branches = FanOut(ledger, [SinkBranch("sink", sink)])
    on = Threads(threads.thread("source"), threads.thread("preprocess"), threads.main)
    chain = compile_flow(flow, source(), stages, branches, ledger, on)
    subscription = chain.subscribe(on_error=threads.main.fail, on_completed=threads.main.stop)
    try:
        threads.main.run()
    finally:
        subscription.dispose()
        threads.stop(5.0)
    marks.append((time.monotonic(), _cpu()))
    return marks


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(frames: int, *, one_core: bool) -> None:
    if one_core:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    marks = cost(frames)
    (began, cpu), (ended, cpu_ended) = marks[0], marks[-1]
    tenth = max(1, len(marks) // 10)
    early = marks[tenth][1] - marks[0][1]
    late = marks[-1][1] - marks[-1 - tenth][1]
    count = frames - FIRST
    measured = {
        "wall_us": (ended - began) / count * 1e6,
        "cpu_us": (cpu_ended - cpu) / count * 1e6,
        "growth": late / early,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main(int(sys.argv[1]), one_core=sys.argv[2:] == ["one"])
