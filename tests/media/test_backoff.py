"""Delays double within bounds, and are reset only by a healthy connection."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.media.backoff import Backoff
from flowrun.spec.flow import Reconnect

SECONDS = st.floats(0.001, 1000)


def delays(backoff: Backoff, count: int, lasted: float = 0.0) -> list[float | None]:
    return [backoff.next_delay(float(n), lasted) for n in range(count)]


@given(SECONDS, SECONDS)
def test_delays_double_from_initial_to_maximum(initial: float, maximum: float) -> None:
    backoff = Backoff(Reconnect(initial, maximum, jitter=False))
    wanted = [min(initial * 2**n, maximum) for n in range(30)]
    assert delays(backoff, 30) == pytest.approx(wanted)


@given(SECONDS, SECONDS, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_jitter_shortens_a_delay_by_a_half_at_most_and_changes_none_of_the_next(
    initial: float, maximum: float, chances: list[float]
) -> None:
    drawn = iter(chances)
    backoff = Backoff(Reconnect(initial, maximum), random=lambda: next(drawn))
    whole = [min(initial * 2**n, maximum) for n in range(len(chances))]
    wanted = [delay * (0.5 + chance / 2) for delay, chance in zip(whole, chances, strict=True)]
    assert delays(backoff, len(chances)) == pytest.approx(wanted)


def test_jitter_is_random_by_default() -> None:
    backoff = Backoff(Reconnect(initial=8.0, maximum=8.0))
    found = delays(backoff, 50)
    assert all(delay is not None and 4.0 <= delay <= 8.0 for delay in found)
    assert len(set(found)) > 1


@given(st.lists(st.floats(0, 20), max_size=30))
def test_only_a_healthy_connection_resets_the_delays(lasted: list[float]) -> None:
    backoff = Backoff(Reconnect(1.0, 30.0, jitter=False, healthy_after=10.0))
    wanted = 1.0
    for number, seconds in enumerate(lasted):
        wanted = 1.0 if seconds >= 10.0 else wanted
        assert backoff.next_delay(100.0 * number, seconds) == wanted
        wanted = min(wanted * 2, 30.0)


def test_it_gives_up_when_it_has_been_failing_for_give_up_after() -> None:
    backoff = Backoff(Reconnect(1.0, 4.0, jitter=False, give_up_after=10.0))
    assert [backoff.next_delay(now) for now in (50.0, 51.0, 53.0, 57.0, 59.9)] == [1, 2, 4, 4, 4]
    assert [backoff.next_delay(now) for now in (60.0, 61.0)] == [None, None]


def test_give_up_after_counts_from_the_first_failure_and_again_after_a_healthy_connection() -> None:
    spec: Any = Reconnect(1.0, 1.0, jitter=False, healthy_after=5.0, give_up_after=10.0)
    backoff = Backoff(spec)
    assert backoff.next_delay(1000.0, lasted=900.0) == 1.0
    assert backoff.next_delay(1009.0, lasted=4.9) == 1.0  # came back, but not for long enough
    assert backoff.next_delay(1011.0, lasted=1.0) is None
    assert backoff.next_delay(1012.0, lasted=5.0) == 1.0
    assert backoff.next_delay(1021.9) == 1.0
    assert backoff.next_delay(1022.0) is None


def test_without_give_up_after_it_never_gives_up() -> None:
    backoff = Backoff(Reconnect(jitter=False))
    assert backoff.next_delay(0.0) == 1.0
    assert [backoff.next_delay(now) for now in (1e3, 1e6, 1e9)] == [2.0, 4.0, 8.0]
