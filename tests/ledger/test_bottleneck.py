"""The line of the summary about the bottleneck."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.ledger.bottleneck import WORKING, describe, per_frame, slowest

DROPPED = {"superseded": 0, "stale": 0, "hook": 0, "no_response": 0}


@pytest.mark.parametrize(
    ("stage", "busy", "period", "dropped", "text"),
    [
        ("transport", 41.2, 33.3, {"superseded": 20, "stale": 4},
         "transport 41 ms per frame > 33 ms frame period: 24 % dropped"),
        ("transport", 12.0, 33.3, {}, "transport 12 ms per frame < 33 ms frame period: keeps up"),
        ("source", 33.1, 33.3, {},
         "source 33 ms per frame = 33 ms frame period: the other stages keep up"),
        ("transport", 33.1, 33.3, {}, "transport 33 ms per frame = 33 ms frame period"),
        ("preprocess", 4.14, 16.7, {"hook": 90, "no_response": 9},
         "preprocess hooks 4.1 ms per frame < 17 ms frame period: keeps up"),
        ("postprocess", 9.96, None, {}, "postprocess hooks 10 ms per frame"),
        ("sink", 50.0, 40.0, {"superseded": 100}, "sink 50 ms per frame > 40 ms frame period:"
         " 100 % dropped"),
        ("sink", None, 40.0, {}, "sink"),
        (None, None, 40.0, {}, "-"),
    ],
)  # fmt: skip
def test_the_line_has_the_stage_its_cost_the_frame_period_and_the_share_of_dropped_frames(
    stage: str | None, busy: float | None, period: float | None, dropped: dict[str, int], text: str
) -> None:
    assert text == describe(
        stage, dict.fromkeys(WORKING, busy), period, 100, {**DROPPED, **dropped}
    )


def test_a_share_below_one_percent_is_still_reported() -> None:
    text = describe("sink", {"sink": 50.0}, None, 1000, {**DROPPED, "stale": 4})
    assert text == "sink 50 ms per frame: less than 1 % dropped"


def test_a_frame_dropped_by_a_hook_costs_nothing_and_a_late_one_does_not_count() -> None:
    assert per_frame(1.0, 10, taken=100) == 10
    assert per_frame(1.0, 10, taken=10) == 100
    assert per_frame(1.0, 10, taken=8) == 100  # two were superseded later, in the queue of the sink
    assert per_frame(0.0, 0, taken=10) is None


def test_where_frames_are_late_the_source_is_not_the_bottleneck() -> None:
    costs = {**dict.fromkeys(WORKING), "source": 33.0, "transport": 25.0}
    assert slowest(costs, not_source=False) == "source"
    assert slowest(costs, not_source=True) == "transport"
    assert slowest({**costs, "transport": None}, not_source=True) is None
    assert slowest(dict.fromkeys(WORKING), not_source=False) is None


@given(st.floats(0, 1e4), st.floats(0.1, 1e4))
def test_the_sign_never_contradicts_the_numbers_that_are_shown(busy: float, period: float) -> None:
    text = describe("sink", {"sink": busy}, period, 1, DROPPED)
    _, cost, _, _, _, sign, shown_period, *_ = text.split()
    assert {">": float(cost) > float(shown_period), "<": float(cost) < float(shown_period),
            "=": float(cost) == float(shown_period)}[sign]  # fmt: skip
