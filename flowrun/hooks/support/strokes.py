"""Draw lines and discs into an image, uint8 (height, width, 3); what is outside is clipped."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image as Paper
from PIL import ImageDraw

from flowrun.frame import Image
from flowrun.hooks.support.geometry import Point
from flowrun.image.text import Color

Pixels = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]  # rows and columns

_FAR = 10_000  # pixels outside the image; farther points are not drawn


def draw_line(image: Image, points: tuple[Point, ...], color: Color, width: int) -> None:
    """Draw a line through `points`, `width` pixels wide."""
    image[_line(points, width, image.shape[:2])] = color


def draw_shape(image: Image, points: tuple[Point, ...], color: Color, width: int) -> None:
    """`draw_line` for a line that is the same in many frames: several times as fast."""
    image[_known_line(points, width, image.shape[:2])] = color


def draw_disc(image: Image, center: Point, radius: int, color: Color) -> None:
    """Draw a disc of 2 * `radius` + 1 pixels in width."""
    if not _is_near(center):
        return
    rows, columns = _disc(radius)
    rows, columns = rows + math.floor(center[1]), columns + math.floor(center[0])
    height, width = image.shape[:2]
    shown = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    image[rows[shown], columns[shown]] = color


def _line(points: tuple[Point, ...], width: int, size: tuple[int, ...]) -> Pixels:
    if not all(map(_is_near, points)):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    xs, ys = zip(*points, strict=True)
    x0, y0 = max(0, math.floor(min(xs)) - width), max(0, math.floor(min(ys)) - width)
    x1, y1 = min(size[1], math.ceil(max(xs)) + width), min(size[0], math.ceil(max(ys)) + width)
    paper = Paper.new("1", (max(0, x1 - x0), max(0, y1 - y0)))
    moved = [(x - x0, y - y0) for x, y in points]
    ImageDraw.Draw(paper).line(moved, 1, width, joint="curve")
    rows, columns = np.nonzero(np.asarray(paper))
    return rows + y0, columns + x0


_known_line = lru_cache(maxsize=64)(_line)


@lru_cache(maxsize=16)
def _disc(radius: int) -> Pixels:
    rows, columns = np.indices((2 * radius + 1, 2 * radius + 1)) - radius
    inner = rows**2 + columns**2 <= (radius + 0.5) ** 2
    return rows[inner], columns[inner]


def _is_near(point: Point) -> bool:
    return all(math.isfinite(each) and abs(each) < _FAR for each in point)
