"""A recording in real time, on a clock that only waiting advances."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.frame import Frame, VideoInfo
from flowrun.media.sources.paced import PacedSource

IMAGE = np.zeros((2, 4, 3), np.uint8)
LIMIT = 30.0  # seconds, a guard against hanging


class Recording:
    """Frames with these times, each `costs` seconds of work."""

    def __init__(self, times: Sequence[float], *, live: bool = False, costs: float = 0.0) -> None:
        self.times, self.costs = times, costs
        self.info: VideoInfo | None = VideoInfo(4, 2, live=live)
        self.now = 1000.0
        self.reconnects = 3
        self.unavailable_since: datetime | None = datetime(2024, 5, 6)
        self.unavailable_s = 1.5
        self.stopped = self.closed = 0
        self.on_wait: Callable[[], object] = lambda: None

    def open(self) -> VideoInfo | None:
        return self.info

    def __iter__(self) -> Iterator[Frame]:
        for index, time in enumerate(self.times):
            if self.stopped:
                return
            self.now += self.costs
            yield Frame(IMAGE, index, time, 0.04, self.now)

    def stop(self) -> None:
        self.stopped += 1

    def close(self) -> None:
        self.closed += 1

    def wait(self, stopped: threading.Event, seconds: float) -> bool:
        assert seconds > 0
        self.on_wait()
        if not stopped.is_set():
            self.now += seconds
        return stopped.is_set()

    def paced(self) -> PacedSource:
        return PacedSource(self, lambda: self.now, self.wait)


def play(recording: Recording, work: Sequence[float] = ()) -> list[tuple[Frame, float]]:
    """The frames, and when each was yielded; the consumer works for `work` seconds on each."""
    paced, got = recording.paced(), []
    paced.open()
    for frame in paced:
        got.append((frame, recording.now))
        recording.now += work[frame.index] if frame.index < len(work) else 0.0
    paced.close()
    return got


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=30),
    st.lists(st.floats(0, 50), max_size=30),
    st.floats(-1e4, 1e4),
)
def test_no_frame_is_early_and_none_is_later_than_its_request(
    steps: list[float], work: list[float], start: float
) -> None:
    times = [start + sum(steps[1 : n + 1]) for n in range(len(steps))]
    got = play(Recording(times), work)
    assert [frame.time for frame, _ in got] == times
    asked = 1000.0
    for index, (frame, at) in enumerate(got):
        assert at == pytest.approx(max(asked, 1000.0 + times[index] - start), abs=1e-6)
        assert frame.captured == at
        asked = at + (work[index] if index < len(work) else 0.0)


def test_a_late_consumer_gets_frames_at_once_until_it_has_caught_up() -> None:
    got = play(Recording([n / 10 for n in range(8)]), work=[0.0, 0.35])
    came = [at - 1000.0 for _, at in got]
    assert came == pytest.approx([0.0, 0.1, 0.45, 0.45, 0.45, 0.5, 0.6, 0.7])


def test_the_first_frame_is_yielded_at_once_wherever_its_time_line_starts() -> None:
    got = play(Recording([3600.0, 3600.5], costs=0.2))
    assert [at - 1000.0 for _, at in got] == pytest.approx([0.2, 0.7])


def test_a_live_source_is_passed_through() -> None:
    recording = Recording([0.0, 50.0, 100.0], live=True, costs=0.1)
    got = play(recording)
    assert [at - 1000.0 for _, at in got] == pytest.approx([0.1, 0.2, 0.3])
    assert [frame.captured for frame, _ in got] == [at for _, at in got]


def test_stop_ends_the_wait_for_a_frame_and_skips_it() -> None:
    recording = Recording([0.0, 3600.0, 7200.0])
    paced = recording.paced()
    recording.on_wait = paced.stop
    paced.open()
    assert [frame.index for frame in paced] == [0]
    assert recording.now == 1000.0
    assert recording.stopped


def test_stop_from_another_thread_ends_the_wait_at_once() -> None:
    recording = Recording([0.0, 3600.0])
    waiting = threading.Event()

    def wait(stopped: threading.Event, seconds: float) -> bool:
        waiting.set()
        return stopped.wait(LIMIT)

    paced = PacedSource(recording, lambda: 1000.0, wait)
    paced.open()
    got: list[Any] = []
    reader = threading.Thread(target=lambda: got.extend(paced))
    reader.start()
    assert waiting.wait(LIMIT)
    paced.stop()
    reader.join(LIMIT)
    assert not reader.is_alive()
    assert [frame.index for frame in got] == [0]


def test_a_source_that_was_stopped_while_it_opened_has_no_frames() -> None:
    recording = Recording([])
    recording.info = None
    paced = recording.paced()
    assert paced.open() is None
    assert list(paced) == []


def test_everything_else_is_delegated_to_the_source() -> None:
    recording = Recording([0.0])
    paced = recording.paced()
    assert paced.open() is recording.info
    assert (paced.reconnects, paced.unavailable_since) == (3, datetime(2024, 5, 6))
    assert paced.unavailable_s == 1.5
    paced.close()
    assert (recording.stopped, recording.closed) == (1, 1)
