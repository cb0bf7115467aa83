"""The current rate of events, with a clock that the test sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.ledger.fps_meter import FpsMeter


@given(per_second=st.floats(1.0, 500.0), seconds=st.floats(5.0, 60.0), start=st.floats(0.0, 1e6))
def test_a_steady_rate_is_exact_to_one_event_in_the_period(
    per_second: float, seconds: float, start: float
) -> None:
    meter = FpsMeter()
    for number in range(int(seconds * per_second)):
        meter.add(start + number / per_second)
    found = meter.value(start + int(seconds * per_second) / per_second)
    assert found == pytest.approx(per_second, abs=2 / 3.75)


def test_the_rate_is_zero_four_seconds_after_the_last_event() -> None:
    meter = FpsMeter()
    for number in range(100):
        meter.add(10.0 + number / 10)
    assert meter.value(20.0) == pytest.approx(10.0, rel=0.03)
    assert 4.5 < meter.value(22.0) < 5.5
    assert meter.value(24.3) == 0.0
    assert meter.value(1e9) == 0.0


def test_reading_the_rate_does_not_change_it() -> None:
    asked, unasked = FpsMeter(), FpsMeter()
    for number in range(1000):
        asked.add(number / 97)
        asked.value(number / 97 + 0.001)
        unasked.add(number / 97)
    assert asked.value(11.0) == unasked.value(11.0)


def test_the_first_events_do_not_make_a_wild_rate() -> None:
    meter = FpsMeter()
    assert meter.value(5.0) == 0.0
    meter.add(5.0)
    meter.add(5.001)
    assert meter.value(5.001) == 2.0
