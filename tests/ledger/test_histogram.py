"""Percentiles that never flatter."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from flowrun.ledger.histogram import EDGES, Histogram


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


@given(st.lists(st.floats(0, 1e5), max_size=50))
def test_the_bars_hold_every_value_once_and_leave_no_gap(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    bars = histogram.bars()
    assert sum(count for _, count in bars) == len(values)
    assert all(bars[at][1] for at in (0, -1) if bars)
    edges = [edge for edge, _ in bars]
    assert all(1 < above / below < 1.26 for below, above in itertools.pairwise(edges))
    for edge, below in zip(edges, itertools.accumulate(count for _, count in bars), strict=True):
        near = [sum(value < edge * (1 + error) for value in values) for error in (-1e-9, 1e-9)]
        assert near[0] <= below <= near[1]


AT_AN_EDGE = st.sampled_from(EDGES)


@given(st.lists(st.floats(0.0, 100.0) | AT_AN_EDGE | st.integers(0, 30_000).map(lambda n: n / 1e3)))
def test_how_many_values_do_not_exceed_an_edge_is_counted_exactly(values: list[float]) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    expected = [sum(value <= edge for value in values) for edge in EDGES]
    assert histogram.cumulated() == [*expected, len(values)]


def test_the_edges_go_from_half_a_millisecond_to_beyond_every_usual_timeout() -> None:
    assert list(EDGES) == sorted(set(EDGES))
    assert (EDGES[0], EDGES[-1], len(EDGES)) == (0.000512, 25.165824, 32)
