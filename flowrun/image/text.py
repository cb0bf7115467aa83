"""Draw text into pictures."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from flowrun.image import fonts

Color = tuple[int, int, int]  # in the order of the picture's channels
Mask = npt.NDArray[np.uint8]

_LARGE = 100  # pixels; sizes measured here scale to others, nearly


@lru_cache(maxsize=128)
def text_mask(text: str, size: int) -> Mask:
    """The mask of one line of `text` in `size` pixels: coverage from 0 to 255.

    Shape (`line_height(size)`, width of the text), read-only. For any text: a character without a
    glyph is drawn in another font of the system, without its accents, or as a box, and a line break
    as a space.
    """
    parts = fonts.runs(unicodedata.normalize("NFC", " ".join(text.split())), size)
    ends = list(accumulate((font.getlength(part) for part, font in parts), initial=0.0))
    paper = Image.new("L", (max(1, math.ceil(ends[-1])), line_height(size)))
    baseline, _ = fonts.font(size).getmetrics()
    draw = ImageDraw.Draw(paper)
    for (part, font), left in zip(parts, ends, strict=False):
        draw.text((left, baseline), part, 255, font, anchor="ls")
    return np.asarray(paper)


def stacked(lines: Sequence[str], size: int, *, centered: bool = False) -> Mask:
    """The mask of several lines, one below the other, left-aligned or centered."""
    masks = [text_mask(line, size) for line in lines]
    height, width = line_height(size), max(mask.shape[1] for mask in masks)
    whole = np.zeros((height * len(lines), width), np.uint8)
    for n, mask in enumerate(masks):
        left = (width - mask.shape[1]) // 2 if centered else 0
        whole[n * height : (n + 1) * height, left : left + mask.shape[1]] = mask
    return whole


@lru_cache(maxsize=64)
def fitting_size(lines: tuple[str, ...], width: int, height: int) -> int:
    """The largest font size in which the stacked lines fit into `width` x `height` pixels; 0 if
    there is none."""
    rows, columns = stacked(lines, _LARGE).shape
    size = int(_LARGE * min(height / rows, width / columns))
    while _fits(stacked(lines, size + 1), width, height):
        size += 1
    while size and not _fits(stacked(lines, size), width, height):
        size -= 1
    return size


def write(
    image: npt.NDArray[np.uint8], mask: Mask, at: tuple[int, int], ink: Color, paper: Color
) -> None:
    """Draw `mask` into `image`, uint8 (height, width, 3), in the color `ink` on `paper`.

    `at` is the (left, top) of the mask, inside the picture; the rest is clipped.
    """
    left, top = at
    part = image[top : top + mask.shape[0], left : left + mask.shape[1]]
    part[:] = _ramp(paper, ink).take(mask[: part.shape[0], : part.shape[1]], axis=0)


def middle(image: npt.NDArray[np.uint8], mask: Mask) -> tuple[int, int]:
    """The (left, top) of `mask` in the middle of `image`; of one that is too large the end is
    clipped."""
    rows, columns = image.shape[0] - mask.shape[0], image.shape[1] - mask.shape[1]
    return max(0, columns // 2), max(0, rows // 2)


def line_height(size: int) -> int:
    """The height of a line in `size` pixels: ascent and descent of the font."""
    return sum(fonts.font(size).getmetrics())


def _fits(mask: Mask, width: int, height: int) -> bool:
    rows, columns = mask.shape
    return bool(rows <= height and columns <= width)


@lru_cache(maxsize=64)
def _ramp(paper: Color, ink: Color) -> npt.NDArray[np.uint8]:
    """The color for each coverage."""
    ramp: npt.NDArray[np.uint8] = np.linspace(paper, ink, 256).round().astype(np.uint8)
    return ramp
