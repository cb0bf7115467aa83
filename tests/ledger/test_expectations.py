"""What a run did, compared with what its flow expects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowrun.ledger.expectations import attached_number, broken, judge, table, values_of
from flowrun.spec.expectations import expectations


def judged(key: str, value: Any, values: dict[str, Any], frames: int = 0) -> tuple[Any, ...]:
    (expectation,) = expectations({key: value})
    found = judge(expectation, values, frames)
    return found.holds, found.expected, found.found


@pytest.mark.parametrize(
    ("value", "delivered", "captured", "found"),
    [
        ("99%", 99, 100, (True, ">= 99%", "99% (99 of 100)")),
        ("99.9%", 999, 1000, (True, ">= 99.9%", "99.9% (999 of 1000)")),
        ("99.9%", 9989, 10000, (False, ">= 99.9%", "99.89% (9989 of 10000)")),
        ("100%", 99999999, 100000000, (False, ">= 100%", "99.99% (99999999 of 100000000)")),
        ("> 50%", 1, 2, (False, "> 50%", "50% (1 of 2)")),
        (300, 300, 300, (True, "== 300", "300")),
        ("< 300", 300, 300, (False, "< 300", "300")),
        ("1%", 0, 0, (False, ">= 1%", "0 of 0 frames")),
    ],
)
def test_frames_are_compared_exactly(
    value: Any, delivered: int, captured: int, found: tuple[Any, ...]
) -> None:
    assert judged("delivered", value, {"delivered": delivered}, captured) == found


@pytest.mark.parametrize(
    ("value", "seconds", "found"),
    [
        ("200ms", 0.2, (True, "<= 200ms", "200ms")),
        ("200ms", 0.2001, (False, "<= 200ms", "200.1ms")),
        ("< 2s", 1.5, (True, "< 2s", "1.5s")),
        ("1m", None, (False, "<= 1m", "nothing")),
    ],
)
def test_durations_are_compared_in_seconds(
    value: str, seconds: float | None, found: tuple[Any, ...]
) -> None:
    values = {"latency.end_to_end.p95": seconds}
    assert judged("latency.end_to_end.p95", value, values) == found


def test_a_summary_is_read_by_the_keys_of_expectations() -> None:
    summary = {
        "delivered": 3,
        "dropped": {"hook": 1, "stale": 2},
        "latency_ms": {"sink": {"p50": 1.5, "max": None}},
        "period_ms": 40.0,
        "unavailable_s": {"source": 2.5},
    }
    assert values_of(summary, {"people": 4}) == {
        "delivered": 3,
        "dropped": 3,
        "dropped.hook": 1,
        "dropped.stale": 2,
        "latency.sink.p50": 0.0015,
        "latency.sink.max": None,
        "period_ms": 0.04,
        "unavailable_s.source": 2.5,
        "attached.people": 4,
    }


class Hostile:
    def __float__(self) -> float:
        raise OSError

    def __len__(self) -> int:
        raise OSError


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (3, 3),
        (True, 1),
        (0.5, 0.5),
        (np.float32(2), 2),
        (np.array(7), 7),
        (np.zeros((4, 2)), 4),
        ([1, 2], 2),
        ((), 0),
        ("text", None),
        (None, None),
        (float("nan"), None),
        (Hostile(), None),
    ],
)
def test_what_hooks_attach_counts_as_a_number(value: Any, number: float | None) -> None:
    assert attached_number({"it": value}, "it") == number


def test_an_entry_of_an_attached_mapping_has_a_name_with_a_dot() -> None:
    data = {"door": {"in": 3, "out": 1}, "a.b": 5}
    assert attached_number(data, "door.in") == 3
    assert attached_number(data, "door") == 2
    assert attached_number(data, "a.b") == 5
    assert attached_number(data, "door.in.x") is attached_number(data, "other") is None


def test_broken_expectations_are_one_line_and_a_table() -> None:
    checks = expectations({"delivered": "99%", "failed": 0, "attached.people": ">= 1"})
    values = {"delivered": 9, "failed": 0}
    found = [judge(each, values, 10) for each in checks]
    assert broken(found[1:2]) is broken([]) is None
    assert broken(found) == (
        "2 of 3 expectations broken: delivered is 90% (9 of 10), expected >= 99%;"
        " attached.people is nothing, expected >= 1"
    )
    assert table([each.to_json() for each in found]) == [
        "  expected delivered >= 99%      broken: 90% (9 of 10)",
        "  expected failed == 0           holds: 0",
        "  expected attached.people >= 1  broken: nothing",
    ]
