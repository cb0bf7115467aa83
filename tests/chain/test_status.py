"""The status of a run while its parts open, become unavailable and fail."""

from __future__ import annotations

import itertools
import json
import platform
from collections import deque
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun import __version__
from flowrun.chain.fan_out import FateBranch
from flowrun.chain.status import bars
from flowrun.errors import ContractError, LedgerError, SinkError, TransportError
from flowrun.frame import Frame, VideoInfo
from flowrun.ledger.histogram import Histogram
from flowrun.media.lines.jsonl import JsonLinesSink
from flowrun.media.protocols import SinkContext
from flowrun.operators.limit import Limit
from flowrun.spec.flow import SinkSpec
from flowrun.system.downtime import Downtime

NOON = datetime(2024, 5, 6, 12, 0, 1)
IMAGE = np.zeros((2, 2, 3), np.uint8)


def status_of(run: Any) -> dict[str, Any]:
    status: dict[str, Any] = run.status.to_json()
    assert "secret" not in json.dumps(status)
    return status


def state(run: Any) -> tuple[str, bool, list[str]]:
    status = status_of(run)
    return status["state"], status["ready"], status["waiting_for"]


def test_a_run_that_starts_reports_what_is_not_open_yet(fake_run: Any) -> None:
    run = fake_run()
    assert state(run) == (
        "starting",
        False,
        [
            "source: rtsp://***@in/a is not open yet",
            "transport: one:1, two:2 is not open yet",
            "sink: null, rtsp://***@out/b is not open yet",
        ],
    )
    assert status_of(run)["source"] == {
        "live": None,
        "width": None,
        "height": None,
        "fps": None,
        "duration": None,
        "frames": None,
        "time": 0.0,
    }


def test_an_overloaded_server_is_available(fake_run: Any) -> None:
    run = fake_run()
    run.open()
    run.transport.overloaded_since = NOON
    overloaded = "transport: one:1, two:2 is overloaded since 12:00:01"
    assert state(run) == ("running", True, [overloaded])
    run.transport.unavailable_since = NOON
    unavailable = "transport: one:1, two:2 is unavailable since 12:00:01"
    assert state(run) == ("running", False, [unavailable])


def test_a_run_is_ready_when_everything_is_open_and_available(fake_run: Any) -> None:
    run = fake_run()
    run.open()
    assert state(run) == ("running", True, [])
    assert status_of(run)["source"]["live"] is True
    assert (status_of(run)["source"]["width"], status_of(run)["source"]["height"]) == (640, 480)


def test_an_address_that_is_unavailable_is_reported_while_the_others_serve(fake_run: Any) -> None:
    run = fake_run()
    run.open()
    assert status_of(run)["addresses"] == []
    run.status.addresses.set({"one:1": None, "two:2": NOON})
    assert state(run) == ("running", True, [])
    assert status_of(run)["addresses"] == [
        {"address": "one:1", "unavailable_since": None},
        {"address": "two:2", "unavailable_since": "12:00:01"},
    ]


def test_an_unavailable_part_is_reported_with_its_key_its_address_and_its_time(
    fake_run: Any,
) -> None:
    run = fake_run()
    run.open()
    for part in (run.source, run.transport, run.sink):
        part.unavailable_since = NOON
    unavailable = [
        "source: rtsp://***@in/a is unavailable since 12:00:01",
        "transport: one:1, two:2 is unavailable since 12:00:01",
        "sink[1]: rtsp://***@out/b is unavailable since 12:00:01",
    ]
    assert state(run) == ("running", False, unavailable)
    run.transport.unavailable_since = None
    assert state(run) == ("running", False, [unavailable[0], unavailable[2]])
    run.source.unavailable_since = run.sink.unavailable_since = None
    assert state(run) == ("running", True, [])


def test_a_sink_that_has_failed_makes_the_run_not_ready(fake_run: Any) -> None:
    run = fake_run()
    run.open()
    run.branches[0].error = SinkError("no space left on rtsp://me:secret@x", key="sink[0]")
    failed = "sink[0]: failed: no space left on rtsp://***@x"
    assert state(run) == ("running", False, [failed])


def test_a_sink_of_lines_that_has_failed_makes_the_run_not_ready(
    fake_run: Any, tmp_path: Path
) -> None:
    run = fake_run()
    run.open()
    context = SinkContext(VideoInfo(4, 2), key="sink[2]")
    lines = JsonLinesSink(SinkSpec(str(tmp_path / "a.jsonl")), context)
    run.status.fate_branches = (FateBranch("sink[2]", lines),)
    assert state(run) == ("running", True, [])
    lines.error = SinkError("a.jsonl cannot be written", key="sink[2]")
    assert state(run) == ("running", False, ["sink[2]: failed: a.jsonl cannot be written"])
    with pytest.raises(SinkError):
        lines.close()


def test_a_run_that_stops_is_not_ready_and_one_that_has_ended_waits_for_nothing(
    fake_run: Any,
) -> None:
    run = fake_run()
    run.open()
    run.shutdown.stop()
    run.shutdown.close()
    assert state(run) == ("stopping", False, [])
    run.status.end()
    run.source.unavailable_since = NOON
    assert state(run) == ("ended", False, [])


def test_the_seconds_without_a_part_are_counted_until_the_end(fake_run: Any) -> None:
    run = fake_run()
    now = 0.0
    run.status.server_wait = Downtime(lambda: now)
    run.status.server_wait.begin()
    now = 1.5
    assert status_of(run)["unavailable_s"] == {"source": 0.0, "transport": 1.5, "sink": 0.0}
    run.status.server_wait.end()
    run.open()
    run.source.unavailable_s, run.transport.unavailable_s, run.sink.unavailable_s = 1.0, 2.0, 3.0
    found = {"source": 1.0, "transport": 3.5, "sink": 3.0}
    assert status_of(run)["unavailable_s"] == found
    run.status.end()
    run.source.unavailable_s = 100.0
    assert status_of(run)["unavailable_s"] == found


def outcome(run: Any) -> tuple[Any, ...]:
    summary = status_of(run)
    return tuple(summary[key] for key in ("exit_code", "error"))


def lose_a_frame(run: Any) -> None:
    lost = Frame(IMAGE, 0, 0.0, 0.1, 100.0)
    run.ledger.captured(lost)
    run.ledger.failed(lost, "transport", TransportError("no answer"))


def test_a_run_has_times_with_a_zone_and_an_exit_code_once_it_has_ended(fake_run: Any) -> None:
    run = fake_run()
    summary = status_of(run)
    assert datetime.fromisoformat(summary["started"]).tzinfo is not None
    assert (summary["ended"], *outcome(run)) == (None, None, None)
    assert (summary["host"], summary["version"]) == (platform.node(), __version__)
    run.status.end()
    summary = status_of(run)
    times = [datetime.fromisoformat(summary[key]) for key in ("started", "ended")]
    assert times == sorted(times)
    assert outcome(run) == (0, None)


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            SinkError("no space on rtsp://me:secret@x", hint="a hint"),
            (1, "no space on rtsp://***@x"),
        ),
        (ContractError("too small", key="transport.input"), (1, "transport.input: too small")),
        (LedgerError("a difference"), (70, "a difference")),
        (ValueError("a bug"), (70, "ValueError: a bug")),
    ],
)
def test_the_error_that_ends_a_run_is_in_its_summary(
    fake_run: Any, error: Exception, found: tuple[int, str]
) -> None:
    run = fake_run()
    run.status.promises_all = True
    lose_a_frame(run)
    with pytest.raises(type(error)), run.status.noting_error():
        raise error
    run.status.end()
    assert outcome(run) == found


def test_a_lost_frame_is_exit_code_3_only_if_every_frame_was_promised(fake_run: Any) -> None:
    run = fake_run()
    lose_a_frame(run)
    run.status.end()
    assert outcome(run) == (0, None)
    run.status.promises_all = True
    assert outcome(run) == (
        3,
        "1 of 1 frames lost (transport 1), and backpressure: every_frame promises to deliver"
        " all; the first was frame 0: transport: no answer",
    )


def test_queues_have_their_depth_and_the_age_of_the_oldest_frame(fake_run: Any) -> None:
    run = fake_run()
    run.open()
    queue = run.branches[1].queue
    assert queue is not None
    first = Frame(IMAGE, 0, 0.0, 0.1, 99.5)
    run.status.buffer.watch(deque([first, replace(first, captured=99.9)]), 4)
    queue.waiting.watch(deque[Frame](), 1)
    assert status_of(run)["queues"] == [
        {"name": "buffer", "depth": 2, "capacity": 4, "oldest_s": 0.5},
        {"name": "sink[1]", "depth": 0, "capacity": 1, "oldest_s": None},
    ]


def test_the_status_has_the_keys_of_the_summary(fake_run: Any) -> None:
    run = fake_run()
    run.open()
    for index in range(4):
        frame = Frame(IMAGE, index, 3.0 + index / 2, 0.5, run.now)
        run.ledger.captured(frame)
        run.now += 0.5
        run.ledger.delivered(frame)
    run.status.window = Limit(4)
    run.status.window.enter()
    status = status_of(run)
    assert run.status.summary().to_json().items() <= status.items()
    assert (status["captured"], status["delivered"], status["fps_now"]) == (4, 4, 2.67)  # in 1.5 s
    assert (status["repeated"], status["generation"]) == (10, 4)
    assert status["reconnects"] == {"source": 2, "transport": 3, "sink": 4}
    assert (status["in_flight"], status["window"], status["source"]["time"]) == (1, 4, 1.5)


def test_the_histogram_of_the_latency_has_every_delivered_frame(fake_run: Any) -> None:
    run = fake_run()
    assert status_of(run)["latency_histogram"] == []
    run.open()
    for index in range(3):
        frame = Frame(np.zeros((2, 2, 3), np.uint8), index, 0.0, 0.0, run.now)
        run.ledger.captured(frame)
        run.now += 0.02 * (index + 1)
        run.ledger.delivered(frame)
    assert status_of(run)["latency_histogram"] == [
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
