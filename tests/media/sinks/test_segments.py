"""The boundaries of segments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.media.sinks.segments import Segments


@pytest.mark.parametrize(
    ("seconds", "times", "first"),
    [
        (2.0, [n / 15 for n in range(90)], [0, 30, 60]),
        (2.0, [0.1 + n * 0.1 for n in range(60)], [0, 20, 40]),
        (2.0, [5.0, 6.9, 7.5, 8.9, 9.0], [0, 2, 4]),  # no drift: at 7 and at 9
        (1.0, [0.0, 0.5, 7.25, 7.75, 8.0], [0, 2, 4]),  # a gap makes no empty segments
        (0.01, [0.0, 1.0, 2.0], [0, 1, 2]),
        (None, [0.0, 1e6, 2e6], [0]),
    ],
)
def test_a_segment_begins_with_the_first_frame_after_a_boundary(
    seconds: float | None, times: list[float], first: list[int]
) -> None:
    segments = Segments(seconds)
    assert [n for n, time in enumerate(times) if segments.begins_at(time)] == first


@given(st.integers(1, 120), st.integers(1, 50), st.integers(0, 10**6))
def test_at_a_constant_rate_every_segment_has_the_same_number_of_frames(
    rate: int, seconds: int, start: int
) -> None:
    segments = Segments(float(seconds))
    times = [(start + n) / rate for n in range(rate * seconds * 2 + 1)]
    first = [n for n, time in enumerate(times) if segments.begins_at(time)]
    assert first == [0, rate * seconds, rate * seconds * 2]
