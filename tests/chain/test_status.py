"""What a run says of itself while its parts come and go."""

from __future__ import annotations

import itertools
import json
from collections import deque
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowrun.chain.fan_out import Queue, SinkBranch
from flowrun.chain.shutdown import Shutdown
from flowrun.chain.status import Status, bars
from flowrun.errors import SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.ledger import Ledger
from flowrun.operators.limit import Limit
from flowrun.spec.flow import Flow, SinkSpec, SourceSpec, TransportSpec

NOON = datetime(2024, 5, 6, 12, 0, 1)
IMAGE = np.zeros((2, 2, 3), np.uint8)


class Part:
    """A source, a server or a remote sink; it may be away."""

    address = "rtsp://***@out/b"
    every, repeated, reconnects, reopened = 0.1, 5, 2, 3
    unavailable_since: datetime | None = None

    def write(self, frame: Frame) -> None: ...
    def tick(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class World:
    """A run whose parts the test opens, loses and fails."""

    def __init__(self) -> None:
        self.now = 100.0
        self.shutdown = Shutdown(1.0)
        self.ledger = Ledger(lambda: self.now)
        flow = Flow(
            name="f",
            source=SourceSpec("rtsp://me:secret@in/a"),
            transport=TransportSpec(mode="stream", address=("one:1", "two:2"), model="m"),
            sinks=(SinkSpec("null"), SinkSpec("rtsp://me:secret@out/b")),
        )
        self.status = Status(flow, self.ledger, self.shutdown)
        self.source, self.transport, self.sink = Part(), Part(), Part()
        self.branches = (SinkBranch("sink[0]", Part()), SinkBranch("sink[1]", self.sink, a_queue()))

    def open(self) -> None:
        status: Any = self.status
        status.source, status.transport = self.source, self.transport
        status.info = VideoInfo(640, 480, fps=25.0, live=True)
        status.branches = self.branches

    @property
    def now_says(self) -> dict[str, Any]:
        said = self.status.to_json()
        assert "secret" not in json.dumps(said)
        return said


def a_queue() -> Queue:
    return Queue(capacity=4, when_full="drop_oldest", on=cast(Any, None))


def state(world: World) -> tuple[str, bool, list[str]]:
    said = world.now_says
    return said["state"], said["ready"], said["waiting_for"]


def test_a_run_that_starts_says_what_is_not_open_yet() -> None:
    world = World()
    assert state(world) == (
        "starting",
        False,
        [
            "source: rtsp://***@in/a is not open yet",
            "transport: one:1, two:2 is not open yet",
            "sink: null, rtsp://***@out/b is not open yet",
        ],
    )
    assert world.now_says["source"] == {
        "live": None,
        "width": None,
        "height": None,
        "fps": None,
        "duration": None,
        "frames": None,
        "time": 0.0,
    }


def test_a_run_is_ready_when_everything_is_open_and_there() -> None:
    world = World()
    world.open()
    assert state(world) == ("running", True, [])
    assert world.now_says["source"]["live"] is True
    assert (world.now_says["source"]["width"], world.now_says["source"]["height"]) == (640, 480)


def test_what_is_away_is_said_with_its_key_its_address_and_since_when() -> None:
    world = World()
    world.open()
    for part in (world.source, world.transport, world.sink):
        part.unavailable_since = NOON
    unavailable = [
        "source: rtsp://***@in/a is away since 12:00:01",
        "transport: one:1, two:2 is away since 12:00:01",
        "sink[1]: rtsp://***@out/b is away since 12:00:01",
    ]
    assert state(world) == ("running", False, unavailable)
    world.transport.unavailable_since = None
    assert state(world) == ("running", False, [unavailable[0], unavailable[2]])
    world.source.unavailable_since = world.sink.unavailable_since = None
    assert state(world) == ("running", True, [])


def test_a_sink_that_was_left_out_is_missed() -> None:
    world = World()
    world.open()
    world.branches[0].error = SinkError("no space left on rtsp://me:secret@x", key="sink[0]")
    left_out = "sink[0]: left out, for it failed: no space left on rtsp://***@x"
    assert state(world) == ("running", False, [left_out])


def test_a_run_that_ends_is_not_ready_and_waits_for_nobody_when_it_has() -> None:
    world = World()
    world.open()
    world.shutdown.stop()
    world.shutdown.close()
    assert state(world) == ("stopping", False, [])
    world.status.ended = True
    world.source.unavailable_since = NOON
    assert state(world) == ("ended", False, [])


def test_queues_tell_how_many_wait_and_how_old_the_oldest_is() -> None:
    world = World()
    world.open()
    queue = world.branches[1].queue
    assert queue is not None
    first = Frame(IMAGE, 0, 0.0, 0.1, 99.5)
    world.status.buffer.watch(deque([first, replace(first, captured=99.9)]), 4)
    queue.waiting.watch(deque[Frame](), 1)
    assert world.now_says["queues"] == [
        {"name": "buffer", "depth": 2, "capacity": 4, "oldest_s": 0.5},
        {"name": "sink[1]", "depth": 0, "capacity": 1, "oldest_s": None},
    ]


def test_the_numbers_of_the_summary_are_there_under_their_names() -> None:
    world = World()
    world.open()
    for index in range(4):
        frame = Frame(IMAGE, index, 3.0 + index / 2, 0.5, world.now)
        world.ledger.captured(frame)
        world.now += 0.5
        world.ledger.delivered(frame)
    world.status.window = Limit(4)
    world.status.window.enter()
    said = world.now_says
    assert world.status.summary().to_json().items() <= said.items()
    assert (said["captured"], said["delivered"], said["fps_now"]) == (4, 4, 2.67)  # in 1.5 s
    assert (said["repeated"], said["generation"]) == (10, 4)
    assert said["reconnects"] == {"source": 2, "transport": 3, "sink": 4}
    assert (said["in_flight"], said["window"], said["source"]["time"]) == (1, 4, 1.5)


def test_the_histogram_of_the_latency_has_every_delivered_frame() -> None:
    world = World()
    assert world.now_says["latency_histogram"] == []
    world.open()
    for index in range(3):
        frame = Frame(np.zeros((2, 2, 3), np.uint8), index, 0.0, 0.0, world.now)
        world.ledger.captured(frame)
        world.now += 0.02 * (index + 1)
        world.ledger.delivered(frame)
    assert world.now_says["latency_histogram"] == [
        {"up_to_ms": 20.48, "frames": 1},
        *({"up_to_ms": edge, "frames": 0} for edge in (24.576, 28.672, 32.768)),
        {"up_to_ms": 40.96, "frames": 1},
        *({"up_to_ms": edge, "frames": 0} for edge in (49.152, 57.344)),
        {"up_to_ms": 65.536, "frames": 1},
    ]


@given(st.lists(st.floats(0, 1e5), max_size=50))
def test_the_bars_hold_every_value_once_and_leave_no_gap(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = bars(histogram)
    assert sum(count for _, count in found) == len(values)
    assert all(found[at][1] for at in (0, -1) if found)
    edges = [edge for edge, _ in found]
    assert all(1 < above / below < 1.26 for below, above in itertools.pairwise(edges))
    for edge, below in zip(edges, itertools.accumulate(count for _, count in found), strict=True):
        near = [sum(value < edge * (1 + error) for value in values) for error in (-1e-9, 1e-9)]
        assert near[0] <= below <= near[1]
