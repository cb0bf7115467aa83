"""Polygons and lines in a picture, x to the right and y down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from flowrun.view import Box

Point = tuple[float, float]
Points = Sequence[Point]

_ON_EDGE = 1e-6  # pixels


def side(line: tuple[Point, Point], point: Point) -> float:
    """How far `point` is from the line, in pixels: negative on its left, positive on its right, as
    one looks from its first point to its second in the picture."""
    (x0, y0), (x1, y1) = line
    length = float(np.hypot(x1 - x0, y1 - y0))
    return ((x1 - x0) * (point[1] - y0) - (y1 - y0) * (point[0] - x0)) / length


def meet(one: tuple[Point, Point], other: tuple[Point, Point]) -> bool:
    """Whether two segments have a point in common. `other` may be a point; segments on one line do
    not meet."""
    start, end = side(one, other[0]), side(one, other[1])
    if start * end > 0 or start == end:
        return False
    share = start / (start - end)
    (x0, y0), (x1, y1) = one
    x = other[0][0] + share * (other[1][0] - other[0][0])
    y = other[0][1] + share * (other[1][1] - other[0][1])
    along = (x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)
    return 0 <= along <= (x1 - x0) ** 2 + (y1 - y0) ** 2


def corners(box: Box, angle: float) -> tuple[Point, ...]:
    """The corners of a box that is rotated by `angle`, radians clockwise, around its centre."""
    x0, y0, x1, y1 = box
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    cos, sin = math.cos(angle), math.sin(angle)
    offsets = ((x0 - x, y0 - y), (x1 - x, y0 - y), (x1 - x, y1 - y), (x0 - x, y1 - y))
    return tuple((x + a * cos - b * sin, y + a * sin + b * cos) for a, b in offsets)


def edges(polygon: Points) -> list[tuple[Point, Point]]:
    return list(zip(polygon, [*polygon[1:], polygon[0]], strict=True))


def crosses_itself(polygon: Points) -> bool:
    """Whether two edges of the polygon that are not neighbours meet."""
    count = len(polygon)
    return any(
        meet(one, other)
        for (n, one), (m, other) in combinations(enumerate(edges(polygon)), 2)
        if 1 < m - n < count - 1
    )


def inside(polygon: Points, points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which of `points` (n, 2) are inside the polygon or on its edge: (n,)."""
    start = np.array(polygon, float)
    step = np.roll(start, -1, axis=0) - start
    offset = points[:, None] - start  # (n, edges, 2)
    end_offset = offset - step
    # Even-odd: how many edges a ray to the right meets.
    spans = (offset[..., 1] >= 0) != (end_offset[..., 1] >= 0)
    turn = step[:, 0] * offset[..., 1] - step[:, 1] * offset[..., 0]
    odd = ((spans & ((turn > 0) == (step[:, 1] < 0))).sum(axis=1) % 2).astype(bool)
    length = np.maximum((step**2).sum(axis=1), _ON_EDGE**2)
    share = ((offset * step).sum(axis=2) / length).clip(0, 1)
    distance = np.hypot(*np.moveaxis(offset - share[..., None] * step, 2, 0))
    found: npt.NDArray[np.bool_] = odd | (distance <= _ON_EDGE).any(axis=1)
    return found
