"""A recording whose clock jumps has one time line."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.media.clock_jumps import MAX_GAP, RecordedTimeline, in_line

TICK = Fraction(1, 90_000)
WRAP = 2**33  # ticks


def times_of(presented: list[tuple[int, int]], start: int) -> tuple[list[int], list[float]]:
    """The times of frames (presentation time, duration), and the jumps."""
    jumps: list[float] = []
    timeline = RecordedTimeline(TICK, start, jumps.append)
    return [timeline.at(*frame) for frame in presented], jumps


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(9_000, 900_000), min_size=2, max_size=6),  # durations
            st.integers(9_001, 10**12),  # how far the clock steps back after them
        ),
        min_size=1,
        max_size=6,
    ),
    st.integers(-(10**9), 10**9),
)
def test_parts_whose_clocks_start_again_follow_each_other(parts: Any, start: int) -> None:
    presented, wanted, now, pts = [], [], 0, start
    for durations, back in parts:
        for duration in durations:
            presented.append((pts, duration))
            wanted.append(now)
            now, pts = now + duration, pts + duration
        pts = presented[-1][0] - (back if abs(back - WRAP) > 2 * MAX_GAP / TICK else 9_001)
    found, jumps = times_of(presented, start)
    assert found == wanted
    assert len(jumps) == len(parts) - 1


def test_a_large_step_ahead_is_a_jump_and_a_small_one_a_gap() -> None:
    gap, jump = round(599 / TICK), round(601 / TICK)
    assert times_of([(0, 3600), (gap, 3600)], 0) == ([0, gap], [])
    found, jumps = times_of([(0, 3600), (jump, 3600)], 0)
    assert found == [0, 3600]
    assert jumps == [pytest.approx(601)]


def test_a_clock_that_wraps_has_not_jumped() -> None:
    start = WRAP - 7200
    found, jumps = times_of([(start, 3600), (start + 3600, 3600), (0, 3600), (9000, 3600)], start)
    assert found == [0, 3600, 7200, 16200]
    assert jumps == []


def test_a_recording_that_is_rewound_follows_itself() -> None:
    jumps: list[float] = []
    timeline = RecordedTimeline(TICK, 900, jumps.append)
    first = [timeline.at(pts, 3600) for pts in (900, 4500)]
    timeline.rewind()
    again = [timeline.at(pts, 3600) for pts in (900, 4500)]
    assert (first, again, jumps) == ([0, 3600], [7200, 10800], [])


def test_what_ffmpeg_repairs_is_found_in_its_log() -> None:
    line = "[vist#0:0/h264 @ 0x1] [warning] timestamp discontinuity (stream id=0): -3000000, new"
    assert in_line(f"{line} offset= 3000000") == -3.0
    assert in_line("[info] Input #0, hls, from 'i.m3u8':") is None
