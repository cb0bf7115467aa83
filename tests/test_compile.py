"""The chain as a whole, in virtual time: hours of video, no camera, no server, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from flowrun.compile import Threads, compile_flow, when_full
from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.inference import Request, Result
from flowrun.ledger import Ledger
from flowrun.operators.virtual import VirtualTime
from flowrun.spec.flow import BackpressureSpec, Flow, Limits, SinkSpec, SourceSpec, TransportSpec
from flowrun.stages import Stages

FPS = 30
IMAGE = np.zeros((2, 2, 3), np.uint8)


def flow(uri: str = "in.mp4", policy: Any = "auto", **limits: Any) -> Flow:
    return Flow(
        name="f",
        source=SourceSpec(uri),
        transport=TransportSpec(mode="stream", address=("embedded",), model="m"),
        sinks=(SinkSpec("null"),),
        backpressure=BackpressureSpec(policy),
        limits=Limits(**limits),
    )


@dataclass
class World:
    """A flow with a source of `seconds`, a server that answers after `latency` and a sink that
    takes `service` per frame. A live source goes on while the chain is busy."""

    flow: Flow
    seconds: float = 10.0
    live: bool = False
    latency: float = 0.05
    service: float = 0.0
    broken_at: int = -1
    virtual: VirtualTime = field(default_factory=VirtualTime)
    written: list[int] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    requests: int = 0
    error: Exception | None = None

    def __iter__(self) -> Iterator[Frame]:
        for index in range(int(self.seconds * FPS)):
            yield Frame(IMAGE, index, index / FPS, 1 / FPS, self.virtual.now)
            if self.live:
                self.virtual.spend(max(0.0, (index + 1) / FPS - self.virtual.now))

    def submit(self, request: Request) -> Future[Result | None]:
        self.requests += 1
        future: Future[Result | None] = Future()
        result = Result({"output": request.inputs[""]})
        self.virtual.after(self.latency, lambda: future.set_result(result))
        return future

    def write(self, frame: Frame) -> None:
        if frame.index == self.broken_at:
            raise SinkError("no space left", key="sink")
        self.virtual.spend(self.service)
        self.written.append(frame.index)
        self.ages.append(self.virtual.now - frame.captured)

    def run(self) -> dict[str, Any]:
        ledger = Ledger(lambda: self.virtual.now)
        stages = Stages(
            self.flow.transport,
            preprocess=(),
            transport=self,
            postprocess=(),
            sink=self,
            ledger=ledger,
        )
        names = ("source", "preprocess", "deliver")
        on = Threads(*(self.virtual.loop(name) for name in names))
        ended: list[Exception | None] = []
        compile_flow(self.flow, self, stages, ledger, on).subscribe(
            on_error=ended.append, on_completed=lambda: ended.append(None)
        )
        self.virtual.run()
        (self.error,) = ended
        ledger.close()
        return ledger.summary("f").to_json()


def test_ten_minutes_of_a_file_loses_nothing_and_keeps_its_order() -> None:
    world = World(flow(), seconds=600, service=0.04)
    summary = world.run()
    assert world.error is None
    assert world.written == list(range(600 * FPS))
    assert summary["captured"] == summary["delivered"] == 600 * FPS
    assert world.virtual.now == pytest.approx(600 * FPS * 0.04, rel=0.01)


def test_a_live_source_ten_times_too_fast_is_thinned_out_before_the_server() -> None:
    world = World(flow("rtsp://camera"), seconds=120, live=True, service=10 / FPS)
    summary = world.run()
    assert world.written == sorted(world.written)
    assert summary["captured"] == 120 * FPS
    assert summary["dropped"]["superseded"] == 120 * FPS - len(world.written)
    assert world.requests == len(world.written)
    # The window and the one frame that waits: an age that stays, and does not grow.
    assert max(world.ages) <= 7 * 10 / FPS
    assert world.written[-1] == 120 * FPS - 1


@pytest.mark.parametrize(
    ("uri", "policy", "full"),
    [
        ("in.mp4", "auto", "block"),
        ("test", "auto", "block"),
        ("rtsp://camera", "auto", "drop_oldest"),
        ("camera:0", "auto", "drop_oldest"),
        ("in.mp4", "latest", "drop_oldest"),
        ("rtsp://camera", "every_frame", "block"),
    ],
)
def test_files_wait_and_live_sources_drop_unless_the_flow_says_otherwise(
    uri: str, policy: str, full: str
) -> None:
    assert when_full(flow(uri, policy)) == full


@pytest.mark.parametrize("frames", [1, 2, 17, 300, 1000])
def test_limit_frames_is_exact(frames: int) -> None:
    summary = World(flow(frames=frames)).run()
    assert summary["captured"] == summary["delivered"] == min(frames, 300)


@pytest.mark.parametrize(("duration", "frames"), [(1.0, 30), (0.5, 15), (0.51, 16), (100.0, 300)])
def test_limit_duration_is_of_the_sources_own_time(duration: float, frames: int) -> None:
    assert World(flow(duration=duration)).run()["captured"] == frames


def test_a_sink_that_fails_ends_the_run_and_every_frame_has_a_fate() -> None:
    world = World(flow(), broken_at=40)
    summary = world.run()
    assert str(world.error) == "sink: no space left"
    assert world.written == list(range(40))
    assert (summary["delivered"], summary["failed"]["sink"]) == (40, 1)
    assert summary["captured"] == 41 + summary["aborted"]
    assert 0 < summary["aborted"] <= 4 + 4 + 2
