"""The chain as a whole, in virtual time: hours of video, no camera, no server, no clock."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from flowrun.chain import policies
from flowrun.chain.compile import Threads, compile_flow
from flowrun.chain.fan_out import FanOut, Queue, SinkBranch
from flowrun.chain.stages import Stages
from flowrun.errors import SinkError, SinkUnavailableError
from flowrun.frame import Frame
from flowrun.inference import Request, Result
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import summarize
from flowrun.operators.bounded import WhenFull
from flowrun.spec.flow import BackpressureSpec, Flow, Limits, SinkSpec, SourceSpec, TransportSpec
from tests.testbed.virtual_time import VirtualTime

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
class Shown:
    """A sink that takes `service` seconds per frame."""

    virtual: VirtualTime
    service: float = 0.0
    broken_at: int = -1
    unavailable: range = range(0)
    written: list[int] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)

    def write(self, frame: Frame) -> None:
        if frame.index == self.broken_at:
            raise SinkError("no space left", key="sink")
        if frame.index in self.unavailable:
            raise SinkUnavailableError("not now", key="sink")
        self.virtual.spend(self.service)
        self.written.append(frame.index)
        self.ages.append(self.virtual.now - frame.captured)

    def close(self) -> None: ...
    def abort(self) -> None: ...


class World:
    """A flow with a source of `seconds`, a server that answers after `latency` (with `serial` one
    request after the other) and sinks. A live source goes on while the chain is busy."""

    def __init__(
        self,
        flow: Flow,
        *,
        seconds: float = 10.0,
        live: bool = False,
        latency: float = 0.05,
        serial: bool = False,
        **sink: Any,
    ) -> None:
        self.flow = policies.decided(flow, live=live)
        self.seconds, self.live, self.latency, self.serial = seconds, live, latency, serial
        self.virtual = VirtualTime()
        self.sinks = [Shown(self.virtual, **sink)]
        self.queues: list[Queue | None] = [None]
        self.free = 0.0  # when a serial server is
        self.requests = 0
        self.last: list[int] = []  # the numbers of the requests that no other one follows
        self.error: Exception | None = None

    def beside(self, when_full: WhenFull, capacity: int, **sink: Any) -> None:
        """One more sink; from now on each has its queue."""
        self.sinks.append(Shown(self.virtual, **sink))
        self.queues = [
            Queue(capacity, when_full, self.virtual.loop(f"sink {n}"))
            for n in range(len(self.sinks))
        ]

    @property
    def written(self) -> list[int]:
        return self.sinks[0].written

    @property
    def ages(self) -> list[float]:
        return self.sinks[0].ages

    def __iter__(self) -> Iterator[Frame]:
        for index in range(int(self.seconds * FPS)):
            yield Frame(IMAGE, index, index / FPS, 1 / FPS, self.virtual.now)
            if self.live:
                self.virtual.spend(max(0.0, (index + 1) / FPS - self.virtual.now))

    def submit(self, request: Request) -> Future[Result | None]:
        self.last += [self.requests] if request.last else []
        self.requests += 1
        future: Future[Result | None] = Future()
        result = Result({"output": request.inputs[""]})
        begin = max(self.virtual.now, self.free) if self.serial else self.virtual.now
        self.free = begin + self.latency
        self.virtual.after(
            self.free - self.virtual.now,
            lambda: None if future.cancelled() else future.set_result(result),
        )
        return future

    def run(self) -> dict[str, Any]:
        ledger = Ledger(lambda: self.virtual.now)
        stages = Stages(
            self.flow.transport,
            preprocess=(),
            transport=self,
            postprocess=(),
            ledger=ledger,
            window=policies.window(self.flow, ledger.clock),
            max_age=self.flow.backpressure.max_age,
        )
        pairs = zip(self.sinks, self.queues, strict=True)
        self.fan_out = [SinkBranch(f"sink[{n}]", *pair) for n, pair in enumerate(pairs)]
        fan_out = FanOut(ledger, self.fan_out)
        names = ("source", "preprocess", "deliver")
        on = Threads(*(self.virtual.loop(name) for name in names))
        ended: list[Exception | None] = []
        compile_flow(self.flow, self, stages, fan_out, ledger, on).subscribe(
            on_error=ended.append, on_completed=lambda: ended.append(None)
        )
        self.virtual.run()
        (self.error,) = ended
        ledger.close()
        return summarize(ledger, "f").to_json()


@pytest.fixture(params=[120, pytest.param(600, marks=pytest.mark.slow)])
def seconds(request: pytest.FixtureRequest) -> int:
    """The length of a video."""
    return int(request.param)


def test_ten_minutes_of_a_file_are_complete_and_in_order(seconds: int) -> None:
    world = World(flow(), seconds=seconds, service=0.04)
    summary = world.run()
    assert world.error is None
    assert world.written == list(range(seconds * FPS))
    assert summary["captured"] == summary["delivered"] == seconds * FPS
    assert world.virtual.now == pytest.approx(seconds * FPS * 0.04, rel=0.01)


@pytest.mark.parametrize("sequence", [True, False])
def test_with_a_sequence_the_last_request_is_marked(sequence: bool) -> None:
    of = flow(frames=40)
    world = World(replace(of, transport=replace(of.transport, sequence=sequence)))
    summary = world.run()
    assert summary["delivered"] == 40
    assert world.last == ([39] if sequence else [])


def test_a_live_source_ten_times_too_fast_is_thinned_out_before_the_server() -> None:
    world = World(flow("rtsp://camera"), seconds=120, live=True, service=10 / FPS)
    summary = world.run()
    assert world.written == sorted(world.written)
    assert summary["captured"] == 120 * FPS
    assert summary["dropped"]["superseded"] == 120 * FPS - len(world.written)
    assert world.requests == len(world.written)
    assert world.written[-1] == 120 * FPS - 1


@pytest.mark.parametrize("slow", ["server", "sink"])
def test_after_a_slow_stage_frames_are_about_as_old_as_its_time(slow: str, seconds: int) -> None:
    service = 10 / FPS
    world = World(flow("rtsp://camera"), seconds=seconds, live=True, latency=0.0)
    if slow == "server":
        world.latency, world.serial = service, True
    else:
        world.sinks[0].service = service
    summary = world.run()
    ages = sorted(world.ages)
    assert ages[len(ages) // 2] <= service + 2 / FPS
    assert ages[-1] <= 3 * service  # where one more in flight is tried now and then
    assert len(ages) >= 0.9 * seconds / service
    assert summary["captured"] == seconds * FPS


def test_a_server_that_works_on_several_requests_at_once_gets_them(seconds: int) -> None:
    world = World(flow("rtsp://camera"), seconds=seconds, live=True, latency=4 / FPS)
    summary = world.run()
    assert summary["delivered"] >= 0.95 * seconds * FPS


def test_bounded_age_drops_what_waited_too_long_and_keeps_the_rest() -> None:
    asked = flow("rtsp://camera")
    policy = BackpressureSpec("bounded_age", max_age=0.25, buffer=30)
    world = World(
        replace(asked, backpressure=policy), seconds=60, live=True, latency=0.1, serial=True
    )
    summary = world.run()
    assert summary["dropped"]["stale"] > 0
    assert summary["captured"] == summary["delivered"] + sum(summary["dropped"].values())
    assert max(world.ages) <= 0.25 + 3 * 0.1
    assert world.requests == summary["delivered"]


def test_a_slow_sink_beside_a_fast_one_costs_the_fast_one_nothing() -> None:
    world = World(flow("rtsp://camera"), seconds=60, live=True, latency=0.0)
    world.beside("drop_oldest", 4, service=0.5)
    summary = world.run()
    fast, slow = world.fan_out
    assert world.written == list(range(60 * FPS))
    assert (fast.delivered, fast.dropped) == (60 * FPS, 0)
    assert slow.dropped == 60 * FPS - slow.delivered > 0
    assert world.sinks[1].written == sorted(world.sinks[1].written)
    assert summary["delivered"] == 60 * FPS


def test_of_a_file_several_sinks_get_every_frame() -> None:
    world = World(flow(), latency=0.0)
    world.beside("block", 4, service=0.1)
    world.run()
    assert [each.written for each in world.sinks] == [list(range(300))] * 2


def test_a_failed_sink_is_skipped_while_there_is_another() -> None:
    world = World(flow())
    world.beside("block", 4, broken_at=40)
    summary = world.run()
    assert world.error is None
    assert world.written == list(range(300))
    assert summary["delivered"] == 300
    assert [str(branch.error) for branch in world.fan_out] == ["None", "sink: no space left"]
    assert (world.fan_out[1].delivered, world.fan_out[1].failed) == (40, 260)


def test_when_the_last_sink_has_failed_the_run_ends() -> None:
    world = World(flow(), broken_at=20)
    world.beside("block", 4, broken_at=10)
    summary = world.run()
    assert str(world.error) == "sink: no space left"
    assert summary["captured"] == sum([
        summary["delivered"], summary["aborted"], *summary["failed"].values()
    ])  # fmt: skip


def test_frames_fail_while_the_only_sink_is_unavailable() -> None:
    world = World(flow(), unavailable=range(100, 150))
    summary = world.run()
    assert world.error is None
    assert (summary["delivered"], summary["failed"]["sink"]) == (250, 50)


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
