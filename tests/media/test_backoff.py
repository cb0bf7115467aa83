"""Waits that double, within bounds, and start again only when it was worth it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.media.backoff import Backoff
from flowrun.spec.flow import Reconnect

SECONDS = st.floats(0.001, 1000)


def waits(backoff: Backoff, count: int, lasted: float = 0.0) -> list[float | None]:
    return [backoff.failed(float(n), lasted) for n in range(count)]


@given(SECONDS, SECONDS)
def test_waits_double_from_initial_to_maximum(initial: float, maximum: float) -> None:
    backoff = Backoff(Reconnect(initial, maximum, jitter=False))
    wanted = [min(initial * 2**n, maximum) for n in range(30)]
    assert waits(backoff, 30) == pytest.approx(wanted)


@given(SECONDS, SECONDS, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=20))
def test_jitter_shortens_a_wait_by_a_half_at_most_and_changes_none_of_the_next(
    initial: float, maximum: float, chances: list[float]
) -> None:
    drawn = iter(chances)
    backoff = Backoff(Reconnect(initial, maximum), chance=lambda: next(drawn))
    whole = [min(initial * 2**n, maximum) for n in range(len(chances))]
    wanted = [wait * (0.5 + chance / 2) for wait, chance in zip(whole, chances, strict=True)]
    assert waits(backoff, len(chances)) == pytest.approx(wanted)


def test_jitter_is_by_chance_if_nobody_says_otherwise() -> None:
    backoff = Backoff(Reconnect(initial=8.0, maximum=8.0))
    found = waits(backoff, 50)
    assert all(wait is not None and 4.0 <= wait <= 8.0 for wait in found)
    assert len(set(found)) > 1


@given(st.lists(st.floats(0, 20), max_size=30))
def test_only_a_connection_that_was_healthy_starts_the_waits_again(lasted: list[float]) -> None:
    backoff = Backoff(Reconnect(1.0, 30.0, jitter=False, healthy_after=10.0))
    wanted = 1.0
    for number, seconds in enumerate(lasted):
        wanted = 1.0 if seconds >= 10.0 else wanted
        assert backoff.failed(100.0 * number, seconds) == wanted
        wanted = min(wanted * 2, 30.0)


def test_it_gives_up_when_it_has_been_failing_for_give_up_after() -> None:
    backoff = Backoff(Reconnect(1.0, 4.0, jitter=False, give_up_after=10.0))
    assert [backoff.failed(now) for now in (50.0, 51.0, 53.0, 57.0, 59.9)] == [1, 2, 4, 4, 4]
    assert [backoff.failed(now) for now in (60.0, 61.0)] == [None, None]


def test_the_count_of_time_begins_at_the_first_failure_and_again_after_a_healthy_connection() -> (
    None
):
    spec: Any = Reconnect(1.0, 1.0, jitter=False, healthy_after=5.0, give_up_after=10.0)
    backoff = Backoff(spec)
    assert backoff.failed(1000.0, lasted=900.0) == 1.0
    assert backoff.failed(1009.0, lasted=4.9) == 1.0  # came back, but not for long enough
    assert backoff.failed(1011.0, lasted=1.0) is None
    assert backoff.failed(1012.0, lasted=5.0) == 1.0
    assert backoff.failed(1021.9) == 1.0
    assert backoff.failed(1022.0) is None


def test_without_give_up_after_it_never_gives_up() -> None:
    backoff = Backoff(Reconnect(jitter=False))
    assert backoff.failed(0.0) == 1.0
    assert [backoff.failed(now) for now in (1e3, 1e6, 1e9)] == [2.0, 4.0, 8.0]
