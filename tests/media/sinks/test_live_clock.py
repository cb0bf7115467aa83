"""A live time line, with a fake clock."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.media.sinks.live_clock import LiveClock

INTERVAL = 0.04


def shown(clock: LiveClock, start: float, end: float) -> list[float]:
    """The repeats between two moments, checked twice per interval."""
    moments = [start + n * INTERVAL / 2 for n in range(1, round((end - start) / INTERVAL * 2) + 1)]
    return [at for now in moments if (at := clock.repeat(now)) is not None]


def test_it_starts_at_zero_and_follows_the_presentation_times() -> None:
    clock = LiveClock(INTERVAL)
    assert [clock.frame(70 + n / 25, 100 + n / 25) for n in range(4)] == pytest.approx(
        [0, 0.04, 0.08, 0.12]
    )


def test_before_the_first_frame_nothing_is_due() -> None:
    assert LiveClock(INTERVAL).repeat(1000.0) is None


def test_frames_that_arrive_in_time_are_not_repeated() -> None:
    clock = LiveClock(INTERVAL)
    for n in range(100):
        late = 0.015 * (n % 3)
        clock.frame(n / 25, n / 25 + late)
        assert n < 3 or clock.repeat(n / 25 + late + 0.03) is None


def test_without_new_frames_the_last_one_is_due_once_per_interval() -> None:
    clock = LiveClock(INTERVAL)
    clock.frame(0.0, 100.0)
    times = shown(clock, 100.0, 110.0)
    assert times == pytest.approx([n * INTERVAL for n in range(1, 251)])


def test_the_time_line_keeps_up_with_the_wall_clock_after_a_slow_server() -> None:
    clock = LiveClock(INTERVAL)
    times = [clock.frame(0.0, 0.3)]
    for n in range(1, 30):  # a frame every 0.3 s, each 0.3 s old
        times += shown(clock, n * 0.3, n * 0.3 + 0.3)
        times.append(clock.frame(n * 0.3, n * 0.3 + 0.3))
    assert times == sorted(times)
    assert max(b - a for a, b in pairwise(times)) <= 2 * INTERVAL
    assert times[-1] == pytest.approx(29 * 0.3, abs=INTERVAL)


def test_after_a_long_wait_one_repeat_stands_for_all() -> None:
    clock = LiveClock(INTERVAL)
    clock.frame(0.0, 0.0)
    assert clock.repeat(7.0) == 7.0
    assert clock.repeat(7.0) is None


def test_catch_up_advances_to_the_wall_clock() -> None:
    clock = LiveClock(INTERVAL)
    clock.frame(0.0, 0.0)
    assert clock.catch_up(5.0) == 5.0
    assert clock.frame(5.01, 5.01) == pytest.approx(5.01)


@given(st.lists(st.tuples(st.sampled_from("frc"), st.floats(0, 3), st.floats(-1, 3)), max_size=60))
def test_times_strictly_increase(steps: Any) -> None:
    clock, now, time = LiveClock(INTERVAL), 50.0, 0.0
    times = [clock.frame(time, now)]
    for what, passed, step in steps:
        now += passed
        if what == "f":
            time += step
            times.append(clock.frame(time, now))
        elif what == "c":
            times.append(clock.catch_up(now))
        elif (at := clock.repeat(now)) is not None:
            times.append(at)
    assert all(a < b for a, b in pairwise(times))
