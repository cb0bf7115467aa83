"""The pixels of a picture that a detection covers."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from flowrun.detection import Detection, Mask
from flowrun.hooks.support.geometry import corners
from flowrun.view import Box

Pixels = npt.NDArray[np.bool_]


class Region(NamedTuple):
    """Whole pixels from (`x0`, `y0`) up to (`x1`, `y1`) of a picture, and which of them are
    covered; `None`: all."""

    x0: int
    y0: int
    x1: int
    y1: int
    pixels: Pixels | None = None


def region_of(found: Detection, width: int, height: int, grow: float) -> Region | None:
    """What a detection covers in a picture of this size: its mask, otherwise its box, rotated by
    its angle. It is larger by `grow`, a share of the width and height of its box, on every side.
    `None` if nothing is in the picture."""
    x0, y0, x1, y1 = found.box
    if not all(map(math.isfinite, found.box)) or x0 >= x1 or y0 >= y1:
        return None
    across, down = grow * (x1 - x0), grow * (y1 - y0)
    if found.mask is not None:
        return _masked(found.mask, math.ceil(across), math.ceil(down), width, height)
    box = (x0 - across, y0 - down, x1 + across, y1 + down)
    if found.angle:
        return _rotated(box, found.angle, width, height)
    return _clipped(box, width, height)


def _clipped(box: Box, width: int, height: int) -> Region | None:
    """Every pixel that the box touches."""
    x0, y0 = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    x1, y1 = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    return Region(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def _masked(mask: Mask, across: int, down: int, width: int, height: int) -> Region | None:
    pixels = np.pad(mask.pixels, ((down, down), (across, across)))
    pixels = _spread(_spread(pixels, down, 0), across, 1)
    return _cut(pixels, mask.left - across, mask.top - down, width, height)


def _rotated(box: Box, angle: float, width: int, height: int) -> Region | None:
    turned = np.array(corners(box, angle))
    left, top = np.floor(turned.min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(turned.max(axis=0)).astype(int).tolist()
    if right - left > 2 * width or bottom - top > 2 * height:  # mostly outside: no such picture
        return _clipped((left, top, right, bottom), width, height)
    paper = Image.new("1", (right - left + 1, bottom - top + 1))
    points = [(x, y) for x, y in (turned - (left, top)).tolist()]
    ImageDraw.Draw(paper).polygon(points, fill=1, outline=1)
    return _cut(np.asarray(paper), left, top, width, height)


def _cut(pixels: Pixels, left: int, top: int, width: int, height: int) -> Region | None:
    """The part of `pixels`, whose first is at (`left`, `top`), that is in the picture."""
    region = _clipped((left, top, left + pixels.shape[1], top + pixels.shape[0]), width, height)
    if region is None:
        return None
    x0, y0, x1, y1, _ = region
    part = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
    return region._replace(pixels=part) if part.any() else None


def _spread(pixels: Pixels, by: int, axis: int) -> Pixels:
    """Set all pixels that are up to `by` away from one that is set, along `axis`."""
    if not by:
        return pixels
    count = np.cumsum(pixels, axis=axis, dtype=np.int32)
    size = pixels.shape[axis]
    last = np.take(count, np.minimum(np.arange(size) + by, size - 1), axis=axis)
    before = np.arange(size) - by - 1
    start = np.take(count, np.maximum(before, 0), axis=axis)
    shape = [1, 1]
    shape[axis] = size
    spread: Pixels = last - np.where((before >= 0).reshape(shape), start, 0) > 0
    return spread
