"""Optimal assignment, beside all permutations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from flowrun.hooks.support.assignment import FloatArray, assign

MINIMUM = 0.3
similarities = arrays(
    float,
    array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.55, 0.6, 0.9, 1.0]),
)


def best(similarity: FloatArray) -> float:
    """The largest sum of what exceeds the minimum, by trying everything."""
    if similarity.shape[0] > similarity.shape[1]:
        similarity = similarity.T
    gain = np.maximum(similarity - MINIMUM, 0)
    rows = np.arange(len(gain))
    return max(
        float(gain[rows, list(order)].sum())
        for order in permutations(range(gain.shape[1]), len(gain))
    )


@given(similarities)
def test_the_sum_is_the_largest_possible(similarity: FloatArray) -> None:
    rows, columns = assign(similarity, MINIMUM)
    assert len({*rows.tolist()}) == len(rows)
    assert len({*columns.tolist()}) == len(columns)
    pairs = similarity[rows, columns]
    assert (pairs >= MINIMUM).all()
    assert abs((pairs - MINIMUM).sum() - best(similarity)) < 1e-6


def test_a_pair_that_is_just_similar_enough_is_taken() -> None:
    for size in (1, 3):
        rows, columns = assign(np.full((size, size), MINIMUM), MINIMUM)
        assert sorted(rows.tolist()) == sorted(columns.tolist()) == list(range(size))


def test_the_best_pair_is_left_if_two_others_are_better_together() -> None:
    rows, columns = assign(np.array([[0.9, 0.8], [0.85, 0.0]]), MINIMUM)
    assert dict(zip(rows.tolist(), columns.tolist(), strict=True)) == {0: 1, 1: 0}


def test_without_rows_or_columns_there_is_no_pair() -> None:
    for shape in ((0, 3), (3, 0), (0, 0)):
        rows, columns = assign(np.zeros(shape), MINIMUM)
        assert not len(rows)
        assert not len(columns)


def test_two_hundred_boxes_that_all_overlap_are_assigned() -> None:
    similarity = np.random.default_rng(0).uniform(MINIMUM, 1, (200, 200))
    hidden = np.random.default_rng(1).permutation(200)
    similarity[np.arange(200), hidden] = 2.0
    rows, columns = assign(similarity, MINIMUM)
    assert (columns[np.argsort(rows)] == hidden).all()
