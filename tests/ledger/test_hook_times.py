"""Which hooks take more than their share of the frame period."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.ledger.hook_times import HookTime, shares, slow_hook_lines

PERIOD = 0.04
PERIODS = st.just(0.0) | st.floats(1e-6, 1)


def timed(hook: str, *seconds: float) -> HookTime:
    time = HookTime(hook, "my:hook")
    for each in seconds:
        time.took.add(each)
    return time


@pytest.mark.parametrize(
    ("means", "slow"),
    [
        ([0.03], [False]),
        ([0.05], [True]),
        (
            [0.025, 0.025],
            [True, True],
        ),  # together above the period, each with half
        ([0.035, 0.015], [True, False]),
        ([0.035, 0.001], [False, False]),
        ([0.001, 0.05, 0.001], [False, True, False]),
    ],
)
def test_a_hook_is_slow_that_takes_more_than_an_even_share_where_its_stage_exceeds_the_period(
    means: list[float], slow: list[bool]
) -> None:
    hooks = [timed(f"postprocess[{n}]", mean) for n, mean in enumerate(means)]
    found = shares([timed("preprocess[0]", 0.02), *hooks], PERIOD)
    assert [each["slow"] for each in found] == [False, *slow]


def test_the_mean_decides_and_not_one_frame() -> None:
    (found,) = shares([timed("preprocess[0]", *[0.01] * 19, 0.41)], PERIOD)
    assert (found["mean_ms"], found["share"], found["slow"]) == (30.0, 0.75, False)
    assert found["p95_ms"] == pytest.approx(10, rel=1 / 32)


@pytest.mark.parametrize("period", [None, 0.0])
def test_without_a_period_there_is_no_share_and_nothing_is_slow(period: float | None) -> None:
    (found,) = shares([timed("preprocess[0]", 1.0)], period)
    assert (found["mean_ms"], found["share"], found["slow"]) == (1000.0, None, False)
    assert slow_hook_lines([found], period) == []


def test_the_line_of_a_slow_hook_has_its_time_and_the_frame_period() -> None:
    hooks = [timed("preprocess[0]", 0.0412), timed("postprocess[0]", 0.0097)]
    assert slow_hook_lines(shares(hooks, 0.0333), 33.3) == [
        "  preprocess[0] my:hook takes 41 ms of the 33 ms frame period"
    ]
    assert slow_hook_lines(shares(hooks, 0.0083), 8.3) == [
        "  preprocess[0] my:hook takes 41 ms of the 8.3 ms frame period",
        "  postprocess[0] my:hook takes 9.7 ms of the 8.3 ms frame period",
    ]


@given(st.lists(st.lists(st.floats(0, 1), max_size=4), max_size=5), PERIODS)
def test_a_stage_that_exceeds_the_period_has_a_slow_hook_and_any_other_has_none(
    times: list[list[float]], period: float
) -> None:
    hooks = [timed(f"preprocess[{n}]", *seconds) for n, seconds in enumerate(times)]
    found = shares(hooks, period)
    json.dumps(found, allow_nan=False)
    late = period > 0 and sum(hook.mean for hook in hooks) > period * (1 + 1e-9)
    early = sum(hook.mean for hook in hooks) < period * (1 - 1e-9) or period == 0
    slow = any(each["slow"] for each in found)
    assert slow or not late
    assert not (slow and early)
