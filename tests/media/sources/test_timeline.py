"""One time line over sessions that each have their own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.media.sources.timeline import LiveTimeline

TICK = 0.001
AHEAD = 2.0  # seconds that one frame may be earlier than the earliest so far
OLDEST = 1.5  # seconds; the maximum age at arrival of the frames below

# Frames (seconds since the previous one on the source's clock, age at arrival) of consecutive
# sessions, each after a pause and with a time line that starts anywhere.
SESSIONS = st.lists(
    st.tuples(
        st.floats(OLDEST, 600),
        st.floats(-1e5, 1e5),
        st.lists(st.tuples(st.floats(0.002, 20), st.floats(0, OLDEST)), min_size=1, max_size=12),
    ),
    min_size=1,
    max_size=8,
)


def times_of(sessions: Any) -> list[list[tuple[float, float, float]]]:
    """The result of a `LiveTimeline`: lists of (time, presentation time, arrival)."""
    timeline, arrival, found = LiveTimeline(lambda _: None), 1000.0, []
    for pause, start, frames in sessions:
        captured = arrival + pause
        origin, session = captured + frames[0][0], []
        timeline.renew()
        for step, age in frames:
            captured += step
            arrival = max(arrival, captured + age)
            pts = start + captured - origin
            session.append((timeline.at(pts, arrival), pts, arrival))
        found.append(session)
    return found


@given(
    st.lists(
        st.tuples(st.booleans(), st.floats(-1e6, 1e6), st.floats(0, 100) | st.just(0.0)),
        min_size=1,
        max_size=40,
    )
)
def test_times_start_at_0_and_strictly_increase_whatever_the_source_reports(frames: Any) -> None:
    timeline, arrival, times, early = LiveTimeline(lambda _: None), 1000.0, [], []
    for renew, pts, later in frames:
        arrival += later
        if renew:
            timeline.renew()
        times.append(timeline.at(pts, arrival))
        early.append(times[-1] - arrival)
    assert times[0] == 0.0
    assert all(before < after for before, after in pairwise(times))
    # However far a presentation time jumps, no frame is much earlier than the earliest so far.
    assert all(now <= max(early[:n]) + AHEAD + 2 * TICK for n, now in enumerate(early) if n)


@given(SESSIONS)
def test_inside_a_session_the_differences_are_the_sources_own(sessions: Any) -> None:
    for session in times_of(sessions):
        times, presented, _ = zip(*session, strict=True)
        wanted = [pts - presented[0] for pts in presented]
        assert [time - times[0] for time in times] == pytest.approx(wanted, abs=1e-6)


@given(SESSIONS)
def test_no_session_moves_the_time_line_further_from_the_wall_clock(sessions: Any) -> None:
    # Each may start with a burst of what the server buffered.
    found = times_of(sessions)
    first = found[0][0][2]
    assert all(
        time <= arrival - first + OLDEST + TICK for session in found for time, _, arrival in session
    )
    for session in found:
        time, _, arrival = session[0]
        assert time >= arrival - first - 1e-6


@given(st.floats(0.01, 1e5), st.floats(-1e5, 1e5))
def test_over_a_gap_the_time_continues_by_the_wall_clock(gap: float, pts: float) -> None:
    timeline = LiveTimeline(lambda _: None)
    assert [timeline.at(7 + n / 10, 50 + n / 10) for n in range(11)][-1] == pytest.approx(1.0)
    timeline.renew()
    assert timeline.at(pts, 51 + gap) == pytest.approx(1 + gap)
    assert timeline.at(pts + 0.1, 51 + gap + 0.1) == pytest.approx(1.1 + gap)


def test_the_bursts_of_a_hundred_sessions_do_not_add_up() -> None:
    timeline, arrival = LiveTimeline(lambda _: None), 0.0
    for _ in range(100):
        timeline.renew()
        times = [timeline.at(n / 25, arrival + max(0.0, n / 25 - 1.5)) for n in range(100)]
        arrival += 99 / 25 - 1.5 + 5.0
    assert times[-1] == pytest.approx(arrival - 5.0 + 1.5)


@pytest.mark.parametrize("jump", [-1000.0, -1.5, 2.5, 1e6])
def test_a_jump_inside_a_session_is_bridged_by_the_wall_clock(jump: float) -> None:
    timeline = LiveTimeline(lambda _: None)
    for n in range(10):
        timeline.at(n / 10, 50 + n / 10)
    assert timeline.at(1.0 + jump, 51.0) == pytest.approx(1.0)
    assert timeline.at(1.1 + jump, 51.5) == pytest.approx(1.1)


@pytest.mark.parametrize("step", [0.0, -0.05, -0.9])
def test_a_small_step_back_costs_a_tick_and_changes_nothing_else(step: float) -> None:
    timeline = LiveTimeline(lambda _: None)
    timeline.at(0.0, 50.0)
    timeline.at(2.0, 52.0)
    assert timeline.at(2.0 + step, 52.1) == pytest.approx(2.0 + TICK)
    assert timeline.at(2.2, 52.2) == pytest.approx(2.2)


def test_after_a_stall_in_a_session_the_buffered_frames_keep_their_distances() -> None:
    timeline = LiveTimeline(lambda _: None)
    timeline.at(0.0, 50.0)
    times = [timeline.at(n / 10, 54.0) for n in range(1, 41)]
    assert times == pytest.approx([n / 10 for n in range(1, 41)])
    assert timeline.at(4.1, 54.1) == pytest.approx(4.1)


def test_a_burst_of_any_length_keeps_its_distances() -> None:
    timeline = LiveTimeline(lambda _: None)
    times = [timeline.at(n / 25, 50.0) for n in range(250)]
    assert times == pytest.approx([n / 25 for n in range(250)])
