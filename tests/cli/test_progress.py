"""The progress of a run on a terminal and in log lines."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.cli.progress import Progress, fraction_done, progress_line
from flowrun.spec.flow import Flow, Limits, SinkSpec, SourceSpec, TransportSpec

LIMIT = 30.0  # seconds, a guard against hanging


def flow(*, loop: bool = False, **limits: Any) -> Flow:
    return Flow(
        name="f",
        source=SourceSpec("a.mp4", loop=loop),
        transport=TransportSpec(mode="unary", address=("embedded",), model="identity"),
        sinks=(SinkSpec("null"),),
        limits=Limits(**limits),
    )


def status(**keys: Any) -> dict[str, Any]:
    """The status of a run after 4 s without problems."""
    source = {
        "live": False,
        "duration": None,
        "frames": None,
        "time": 4.0,
        **keys.pop("source", {}),
    }
    return {
        "captured": 120,
        "delivered": 118,
        "dropped": {"superseded": 0, "stale": 0},
        "failed": {"timeout": 0},
        "reconnects": {"source": 0, "transport": 0, "sink": 0},
        "latency_ms": {"end_to_end": {"p50": 41.2}},
        "duration_s": 4.0,
        "fps_now": 29.97,
        "in_flight": 2,
        "state": "running",
        "waiting_for": [],
        **keys,
        "source": source,
    }


@pytest.mark.parametrize(
    ("known", "of", "share"),
    [
        ({}, flow(), None),
        ({}, flow(frames=240), 0.5),
        ({}, flow(duration=16.0), 0.25),
        ({}, flow(frames=240, duration=5.0), 0.8),
        ({"duration": 10.0}, flow(), 0.4),
        ({"duration": 10.0}, flow(loop=True), None),
        ({"duration": 10.0, "live": True}, flow(), None),
        ({"duration": 10.0, "live": True}, flow(frames=1200), 0.1),
        ({"frames": 480}, flow(), 0.25),
        ({"frames": 480}, flow(loop=True), None),
        ({"duration": 0.0, "frames": 0}, flow(), None),
        ({"duration": 3.0}, flow(), 1.0),  # a container may be wrong about its length
    ],
)
def test_the_fraction_done_is_known_from_limits_and_from_files_of_known_length(
    known: dict[str, Any], of: Flow, share: float | None
) -> None:
    assert fraction_done(status(source=known), of) == share


@given(
    captured=st.integers(0, 10**9),
    source=st.fixed_dictionaries({
        "live": st.booleans(),
        "time": st.floats(0, 1e7),
        "duration": st.none() | st.floats(0, 1e7),
        "frames": st.none() | st.integers(0, 10**9),
    }),
    limits=st.fixed_dictionaries({
        "frames": st.none() | st.integers(1, 10**9), "duration": st.none() | st.floats(0.001, 1e7)
    }),
)  # fmt: skip
def test_every_state_of_a_run_has_a_line(
    captured: int, source: dict[str, Any], limits: dict[str, Any]
) -> None:
    now = status(captured=captured, source=source)
    done = fraction_done(now, flow(**limits))
    assert done is None or 0 <= done <= 1
    assert "118 frames" in progress_line(now, done)


def test_a_line_has_the_numbers_and_omits_problems_that_did_not_occur() -> None:
    assert progress_line(status(), None) == "0:04, 118 frames, 30.0 fps, 41 ms, 2 in flight"
    assert progress_line(status(), 0.25) == "0:12 left, 118 frames, 30.0 fps, 41 ms, 2 in flight"
    assert (
        progress_line(status(), 1e-308)
        == progress_line(status(), 0.0)
        == progress_line(status(), None)
    )
    assert progress_line(status(duration_s=7322.0), None).startswith("2:02:02, ")
    trouble = status(
        dropped={"superseded": 2, "stale": 1},
        failed={"timeout": 4},
        reconnects={"source": 1, "transport": 0, "sink": 1},
        waiting_for=["transport: localhost:9000 is unavailable since 12:00:01", "sink: …"],
        latency_ms={"end_to_end": {"p50": None}},
    )
    assert progress_line(trouble, 0.5) == (
        "waiting for transport: localhost:9000 is unavailable since 12:00:01, 0:04 left, 118"
        " frames,"
        " 30.0 fps, 3 dropped, 4 failed, 2 in flight, 2 reconnects"
    )
    one = {"source": 0, "transport": 1, "sink": 0}
    assert progress_line(status(reconnects=one), None).endswith(", 1 reconnect")
    assert progress_line(status(state="stopping"), None).startswith("stopping, 0:04, 118 frames, ")


def test_until_the_first_frame_a_line_says_only_what_the_run_waits_for() -> None:
    first = status(captured=0, state="starting", waiting_for=["source: a is not open yet", "b"])
    assert progress_line(first, 0.0) == "waiting for source: a is not open yet"
    assert progress_line({**first, "state": "stopping"}, None) == "stopping"


def test_a_narrow_line_keeps_the_most_telling_numbers_whole() -> None:
    trouble = status(dropped={"stale": 3}, reconnects={"source": 2})
    lines = {
        columns: progress_line(trouble, 0.25, columns, percent=True)
        for columns in (197, 77, 57, 47, 37, 27, 17, 8, 2, 1)
    }
    assert lines == {
        197: "25%, 0:12 left, 118 frames, 30.0 fps, 3 dropped, 41 ms, 2 in flight, 2 reconnects",
        77: "25%, 0:12 left, 118 frames, 30.0 fps, 3 dropped, 41 ms, 2 reconnects",
        57: "25%, 0:12 left, 118 frames, 30.0 fps, 3 dropped, 41 ms",
        47: "25%, 0:12 left, 118 frames, 30.0 fps, 3 dropped",
        37: "25%, 0:12 left, 30.0 fps, 3 dropped",
        27: "25%, 0:12 left, 3 dropped",
        17: "25%, 0:12 left",
        8: "25%",
        2: "2…",
        1: "…",
    }
    away = status(waiting_for=["transport: localhost:9000 is unavailable since 12:00:01"])
    assert progress_line(away, 0.25, 37) == "waiting for transport…"
    assert progress_line(away, 0.25, 41) == "waiting for transport: localhost:9000 is…"
    first = {**away, "captured": 0}
    assert progress_line(first, None, 37) == "waiting for transport…"


@given(st.integers(1, 90), st.none() | st.floats(0, 1), st.integers(0, 10**9))
def test_a_line_is_never_longer_than_its_columns(
    columns: int, done: float | None, frames: int
) -> None:
    now = status(delivered=frames, waiting_for=["source: rtsp://a b c d e"][: frames % 2])
    line = progress_line(now, done, columns, percent=True)
    assert 0 < len(line) <= columns


class Waits:
    """A wait that times out `times` times, and then waits for the event."""

    def __init__(self, times: int) -> None:
        self.left, self.asked = times, list[float]()
        self.seen = threading.Event()  # everything that was to be seen has been

    def __call__(self, over: threading.Event, seconds: float) -> bool:
        self.asked.append(seconds)
        if self.left:
            self.left -= 1
            return False
        self.seen.set()
        assert over.wait(LIMIT)
        return True


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Screen]:
    def screen(term: str) -> Screen:
        made = Screen()
        monkeypatch.setattr(sys, "stderr", made)
        monkeypatch.setenv("TERM", term)
        return made

    return screen


@pytest.mark.parametrize("term", ["dumb", None])
def test_without_a_terminal_there_is_a_log_line_every_ten_seconds(
    term: str | None, screen: Callable[[str], Screen], caplog: pytest.LogCaptureFixture
) -> None:
    stderr = screen(term) if term else None
    caplog.set_level(logging.INFO, "flowrun")
    waits = Waits(2)
    with Progress(flow(frames=240), status, waits):
        assert waits.seen.wait(LIMIT)
    line = "50% done, 0:04 left, 118 frames, 30.0 fps, 41 ms, 2 in flight"
    assert [record.getMessage() for record in caplog.records] == [line, line]
    assert waits.asked == [10.0] * 3
    assert stderr is None or stderr.getvalue() == ""


def test_a_run_that_is_over_before_the_first_interval_logs_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "flowrun")
    with Progress(flow(), status):
        pass
    assert caplog.records == []


def test_on_a_terminal_the_bar_fits_its_width_and_is_removed_at_the_end(
    screen: Callable[[str], Screen],
) -> None:
    seen, waits = screen("xterm"), Waits(2)
    with Progress(flow(frames=240), status, waits):
        assert waits.seen.wait(LIMIT)
    drawn = seen.getvalue().split("\r")
    lines = [each for each in drawn if each.strip()]
    assert lines[-1].startswith(" 50%|")
    assert lines[-1].rstrip().endswith("| 0:04 left, 118 frames, 30.0 fps, 41 ms, 2 in flight")
    assert max(map(len, drawn)) == 77  # of 80, with space for a ^C
    assert drawn[-2].isspace()
    assert drawn[-1] == ""
    assert "\n" not in seen.getvalue()


def test_log_lines_appear_above_the_progress_bar(
    screen: Callable[[str], Screen],
) -> None:
    seen, waits = screen("xterm"), Waits(1)
    logger = logging.getLogger("flowrun.test")
    handler = logging.StreamHandler(seen)
    handler.setFormatter(logging.Formatter("flowrun: %(levelname)s: %(message)s"))
    before, logging.root.handlers[:] = logging.root.handlers[:], [handler]
    try:
        with Progress(flow(), status, waits):
            assert waits.seen.wait(LIMIT)
            logger.warning("the source is unavailable")
        logger.warning("later")
    finally:
        logging.root.handlers[:] = before
    text = seen.getvalue()
    assert "\rflowrun: WARNING: the source is unavailable\n" in text
    assert text.endswith("\rflowrun: WARNING: later\n")
