"""Percentiles that are never below the true ones, and exact counts."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from flowrun.ledger.histogram import Histogram


@given(
    values=st.lists(st.floats(1e-6, 1e5), min_size=1, max_size=200),
    share=st.floats(0.01, 1.0),
)
def test_a_percentile_is_at_most_a_thirtysecond_above_the_true_one(
    values: list[float], share: float
) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    found = histogram.percentile(share)
    assert found is not None
    assert true * (1 - 1e-12) <= found <= min(true * (1 + 1 / 32) + 1e-9, max(values))
    assert histogram.maximum == max(values)
    assert histogram.count == len(values)


@given(st.floats(allow_nan=False))
def test_any_duration_counts_and_needs_no_more_memory(value: float) -> None:
    histogram = Histogram()
    size = len(histogram._buckets)
    if math.isfinite(value):
        histogram.add(value)
        assert histogram.count == sum(histogram._buckets) == 1
    assert len(histogram._buckets) == size


def test_nothing_measured_has_no_percentile() -> None:
    assert Histogram().percentile(0.5) is None
    assert Histogram().maximum is None


AT_AN_EDGE = st.sampled_from([edge for edge, _ in Histogram().cumulative(2) if edge < 100])


@given(st.lists(st.floats(0.0, 100.0) | AT_AN_EDGE | st.integers(0, 30_000).map(lambda n: n / 1e3)))
def test_how_many_values_do_not_exceed_an_edge_is_counted_exactly(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    counts = histogram.cumulative(2)
    assert [edge for edge, _ in counts] == sorted({edge for edge, _ in counts})
    assert [count for _, count in counts] == [
        sum(value <= edge for value in values) for edge, _ in counts
    ]
    assert counts[-1][1] == len(values)
