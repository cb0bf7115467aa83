"""Lines and lettering for the hooks that draw.

Everything is drawn into the array that is given, uint8 (height, width, 3), and cut off at its
edges. Letters and lines grow with the picture, so that both 320x240 and 1920x1080 can be read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowrun.frame import Image
from flowrun.image.text import Color, Mask, stacked, write
from flowrun.view import Box

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
DARK: Color = (20, 20, 20)  # greys: the same in RGB and in BGR
LIGHT: Color = (240, 240, 240)
_SMALLEST = 12  # pixels; smaller letters cannot be read
_BRIGHT = 128


def line_width(image: Image) -> int:
    """How many pixels wide a line has to be to be seen."""
    height: int = image.shape[0]
    return max(1, round(height / 240))


def outline(image: Image, box: Box, color: Color, width: int) -> None:
    """Draw the edge of `box` (x0, y0, x1, y1), the lines inside it. One without area is nothing."""
    x0, x1 = (min(max(round(x), 0), image.shape[1]) for x in (box[0], box[2]))
    y0, y1 = (min(max(round(y), 0), image.shape[0]) for y in (box[1], box[3]))
    if x0 >= x1 or y0 >= y1:
        return
    image[y0 : min(y0 + width, y1), x0:x1] = color
    image[max(y1 - width, y0) : y1, x0:x1] = color
    image[y0:y1, x0 : min(x0 + width, x1)] = color
    image[y0:y1, max(x1 - width, x0) : x1] = color


def tag(image: Image, text: str, box: Box, color: Color) -> None:
    """Write `text` on a ground of `color` above `box`, or inside where there is no room above it;
    never beyond the edges of the picture, unless it is wider."""
    mask = _lines([text], image)
    height, width = mask.shape
    left, top = round(box[0]), round(box[1]) - height
    if top < 0:
        top = round(box[1])
    left = max(0, min(left, image.shape[1] - width))
    top = max(0, min(top, image.shape[0] - height))
    ink = DARK if _brightness(color) > _BRIGHT else LIGHT
    write(image, mask, (left, top), ink, color)


def panel(image: Image, lines: Sequence[str], corner: str) -> None:
    """Write `lines` in light letters on dark ground into one of `CORNERS`."""
    mask = _lines(lines, image)
    top, left = ((s - m) for s, m in zip(image.shape[:2], mask.shape, strict=True))
    left = max(0, left) if corner.endswith("right") else 0
    top = max(0, top) if corner.startswith("bottom") else 0
    write(image, mask, (left, top), LIGHT, DARK)


def percent(score: float) -> str:
    """`93 %`."""
    return f"{score * 100:.0f} %"


def _lines(lines: Sequence[str], image: Image) -> Mask:
    """The lines one below the other, in letters for a picture like `image`, with room at the left
    and at the right."""
    size = max(_SMALLEST, image.shape[0] // 40)
    return np.pad(stacked(lines, size), ((0, 0), (size // 3, size // 3)))


def _brightness(color: Color) -> float:
    return (color[0] + 2 * color[1] + color[2]) / 4  # the same in RGB and in BGR
