"""Sides of lines, segments that meet, points in polygons."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowrun.hooks.support.geometry import Point, crosses_itself, inside, meet, side

SQUARE = [(0, 0), (10, 0), (10, 10), (0, 10)]
coordinate = st.integers(-20, 20)
point: Any = st.tuples(coordinate, coordinate)


def is_inside(polygon: Any, x: float, y: float) -> bool:
    return bool(inside(polygon, np.array([[x, y]]))[0])


def test_the_right_of_a_line_to_the_right_is_below_it_in_the_picture() -> None:
    line = ((0.0, 5.0), (10.0, 5.0))
    assert side(line, (5, 8)) == 3
    assert side(line, (5, 1)) == -4
    assert side(line, (99, 5)) == 0


@given(point, point, point)
def test_the_sides_change_when_the_line_is_reversed_or_mirrored(
    start: Point, end: Point, at: Point
) -> None:
    assume(start != end)
    distance = side((start, end), at)
    assert side((end, start), at) == pytest.approx(-distance)

    def mirrored(p: Point) -> Point:
        return -p[0], p[1]

    assert side((mirrored(start), mirrored(end)), mirrored(at)) == pytest.approx(-distance)


def test_segments_meet_only_within_their_ends() -> None:
    line = ((0.0, 0.0), (10.0, 0.0))
    assert meet(line, ((5, -1), (5, 1)))
    assert meet(line, ((10, -1), (10, 1)))
    assert not meet(line, ((11, -1), (11, 1)))
    assert not meet(line, ((5, 1), (5, 2)))
    assert not meet(line, ((2, 0), (5, 0)))


def test_the_edge_of_a_polygon_belongs_to_it() -> None:
    x: float
    y: float
    for x, y in ((5, 5), (0, 0), (10, 10), (5, 10), (10, 5), (0, 3), (3, 0)):
        assert is_inside(SQUARE, x, y)
    for x, y in ((-1, 5), (11, 5), (5, -1), (5, 10.01), (-1, 0), (-1, 10), (11, 10)):
        assert not is_inside(SQUARE, x, y)


def test_a_notch_is_not_inside() -> None:
    notched = [(0, 0), (10, 0), (10, 10), (5, 2), (0, 10)]
    assert is_inside(notched, 1, 5)
    assert is_inside(notched, 9, 5)
    assert not is_inside(notched, 5, 5)
    assert np.array_equal(inside(notched, np.array([[1, 5], [5, 5]])), [True, False])
    assert inside(notched, np.zeros((0, 2))).shape == (0,)


@given(st.integers(3, 9), st.floats(0, 7), point, st.booleans())
def test_a_regular_polygon_is_as_large_as_its_circles(
    corners: int, turn: float, at: Point, reverse: bool
) -> None:
    angles = [turn + 2 * math.pi * n / corners for n in range(corners)]
    polygon = [(15 * math.cos(a), 15 * math.sin(a)) for a in angles][:: -1 if reverse else 1]
    assert not crosses_itself(polygon)
    away = math.hypot(*at)
    if away < 15 * math.cos(math.pi / corners) - 1e-6:
        assert is_inside(polygon, *at)
    if away > 15 + 1e-6:
        assert not is_inside(polygon, *at)


def test_a_polygon_that_crosses_itself_is_noticed() -> None:
    assert crosses_itself([(0, 0), (10, 10), (10, 0), (0, 10)])
    assert not crosses_itself(SQUARE)
    assert not crosses_itself([(0, 0), (10, 0), (5, 9)])
