"""Assign rows to columns so that the sum of their similarities is as large as possible."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_TIE = 1e-9  # a pair that is exactly as similar as required is better than none


def assign(similarity: FloatArray, minimum: float) -> tuple[IntArray, IntArray]:
    """The rows and the columns of the pairs, each at most once; every pair has a similarity of at
    least `minimum`, and the sum of what exceeds it is the largest possible.

    A pair that exceeds the best alternatives of its row and of its column together belongs to every
    best assignment; nearly all pairs of a video do. What remains falls into groups that share no
    row and no column; each is solved by shortest augmenting paths, O(n^3).
    """
    weights = np.where(similarity >= minimum, similarity - minimum + _TIE, 0.0)
    rows: list[int] = []
    columns: list[int] = []
    while True:
        sure_rows, sure_columns = _sure(weights)
        if not len(sure_rows):
            break
        rows += sure_rows.tolist()
        columns += sure_columns.tolist()
        weights[sure_rows] = 0
        weights[:, sure_columns] = 0
    for group_rows, group_columns in _groups(weights > 0):
        group = weights[np.ix_(group_rows, group_columns)]
        for row, column in _best(group):
            if group[row, column] > 0:
                rows.append(group_rows[row])
                columns.append(group_columns[column])
    return np.array(rows, np.intp), np.array(columns, np.intp)


def _sure(weights: FloatArray) -> tuple[IntArray, IntArray]:
    """The pairs that every best assignment has, or some of them."""
    if not weights.any():
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    every, best = np.arange(len(weights)), weights.argmax(axis=1)
    others = weights.copy()
    others[every, best] = 0
    of_row = others.max(axis=1)
    # Of a column, the best one in another row: the second best if the first is in this row.
    of_column = weights.max(axis=0)
    first = weights.argmax(axis=0)
    others = weights.copy()
    others[first, np.arange(weights.shape[1])] = 0
    second = others.max(axis=0)
    rival = np.where(first[best] == every, second[best], of_column[best])
    sure = np.flatnonzero(weights[every, best] > of_row + rival)
    return sure, best[sure]


def _groups(possible: npt.NDArray[np.bool_]) -> Iterator[tuple[list[int], list[int]]]:
    """The connected components: rows and columns."""
    pending = set(np.flatnonzero(possible.any(1)).tolist())
    while pending:
        rows: list[int] = []
        columns: dict[int, None] = {}
        reached = [pending.pop()]
        while reached:
            rows.append(row := reached.pop())
            for column in np.flatnonzero(possible[row]).tolist():
                if column not in columns:
                    columns[column] = None
                    new = pending.intersection(np.flatnonzero(possible[:, column]).tolist())
                    pending -= new
                    reached += sorted(new)
        yield rows, list(columns)


def _best(weights: FloatArray) -> list[tuple[int, int]]:
    """A pair for each row, or for each column if there are fewer; the sum is the largest."""
    if weights.shape[0] > weights.shape[1]:
        return [(row, column) for column, row in _best(weights.T)]
    count, width = weights.shape
    row_prices, prices = np.zeros(count), np.zeros(width)
    owners = np.full(width, -1)  # the row of each column
    for start in range(count):
        distance, visited = np.full(width, np.inf), np.zeros(width, bool)
        before = np.full(width, -1)  # the column before, on the path
        row, column = start, -1
        while row >= 0:
            reach = -weights[row] - row_prices[row] - prices
            shorter = ~visited & (reach < distance)
            distance[shorter], before[shorter] = reach[shorter], column
            open_distance = np.where(visited, np.inf, distance)
            column = int(open_distance.argmin())
            step = open_distance[column]
            row_prices[start] += step
            row_prices[owners[visited]] += step
            prices[visited] -= step
            distance[~visited] -= step
            visited[column] = True
            row = int(owners[column])
        while column >= 0:
            previous = int(before[column])
            owners[column] = owners[previous] if previous >= 0 else start
            column = previous
    return [(int(row), column) for column, row in enumerate(owners) if row >= 0]
