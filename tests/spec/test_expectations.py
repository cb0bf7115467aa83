"""The keys and the values of `expect`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from flowrun.chain.expectations import Watch
from flowrun.ledger.expectations import values_of
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import summarize
from flowrun.spec.expectations import (
    COUNTS,
    DURATIONS,
    FRAMES,
    KEYS,
    RATES,
    Expectation,
    expectations,
)
from flowrun.spec.flow import ExpectSpec
from flowrun.spec.schema import inlined

EXPECT = inlined()["properties"]["expect"]
NUMERIC = {"captured", "delivered", "aborted", "repeated", "generation", "duration_s", "fps"}


def test_every_number_of_the_summary_can_be_expected() -> None:
    summary = summarize(Ledger(), "f").to_json()
    flat = values_of(summary, {})
    other = ("bottleneck", "error", "exit_code", "started", "ended", "window", "flow", "run")
    others = ("hooks", "sinks", "expect", "picture", "cpu_s", "memory_bytes")
    assert set(KEYS) == set(flat) - {*other, *others, "host", "version"}
    assert set(KEYS) >= NUMERIC


def test_every_key_has_one_pattern_in_the_schema_and_no_other_key_has_one() -> None:
    kinds = {}
    for pattern, of in EXPECT["patternProperties"].items():
        for key in (*KEYS, "attached.people"):
            if re.search(pattern, key):
                assert key not in kinds
                kinds[key] = of["errorMessage"]
    groups = (FRAMES, COUNTS, DURATIONS, RATES)
    assert [len({kinds[key] for key in group}) for group in groups] == [1, 1, 1, 1]
    assert len(set(kinds.values())) == 5
    valid = Draft202012Validator(EXPECT)
    for key in ("attached.", "latency.end_to_end.p98", "delivered.x", "xdelivered", "dropped.sink"):
        assert not valid.is_valid({key: 0}), key


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("delivered", "99.5%", (">=", Fraction(199, 2), "%")),
        ("delivered", 300, ("==", 300, "")),
        ("delivered", ">= 300", (">=", 300, "")),
        ("dropped.hook", "<5%", ("<", 5, "%")),
        ("latency.end_to_end.p95", "200ms", ("<=", Fraction(1, 5), "s")),
        ("latency.end_to_end.p95", "> 2m", (">", 120, "s")),
        ("unavailable_s.source", 0, ("<=", 0, "s")),
        ("fps", 29.97, ("==", Fraction("29.97"), "")),
        ("attached.people", "== -1.5", ("==", Fraction(-3, 2), "")),
    ],
)
def test_a_value_without_a_comparison_has_that_of_its_kind(
    key: str, value: Any, found: tuple[Any, ...]
) -> None:
    assert Draft202012Validator(EXPECT).is_valid({key: value})
    (each,) = expectations({key: value, "window": "30s"})
    assert (each.comparison, each.value, each.unit) == found
    assert each.key == key


def test_a_key_with_dots_can_be_set_on_the_command_line(load: Any, base: str) -> None:
    flow = load(base, overrides=["expect.latency.end_to_end.p95=200ms", "expect.delivered=99%"])
    assert list(map(str, flow.expect.checks)) == [
        "latency.end_to_end.p95 <= 200ms",
        "delivered >= 99%",
    ]
    assert flow.expect.window == 60


def _expects(text: str) -> Expectation:
    key, _, value = text.partition(": ")
    return expectations({key: value})[0]


@pytest.mark.parametrize(
    ("text", "windowed"),
    [
        ("delivered: 99%", True),
        ("dropped: < 1%", True),
        ("dropped: 0", True),
        ("failed: <= 3", True),
        ("latency.transport.max: >= 1ms", True),
        ("fps: >= 24", True),
        ("unavailable_s.source: 5s", True),
        ("attached.people: <= 3", True),
        ("attached.people: >= 1", False),
        ("delivered: >= 300", False),
        ("captured: 300", False),
        ("duration_s: 10s", False),
        ("busy_ms.transport: 10ms", False),
        ("generation: <= 1", False),
    ],
)
def test_a_number_that_is_to_be_reached_is_that_of_a_whole_run(text: str, windowed: bool) -> None:
    assert _expects(text).windowed is windowed


def test_a_run_without_expectations_is_not_watched() -> None:
    ledger = Ledger()
    watch = Watch(ExpectSpec(), ledger, dict)
    assert watch.recent() == []
    assert watch.whole({"captured": 3}) == []
