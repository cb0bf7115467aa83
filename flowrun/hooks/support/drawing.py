"""Draw boxes and text into an image.

Everything is drawn into the given array, uint8 (height, width, 3), and clipped at its edges. Font
size and line width grow with the image, so that text is legible at 320x240 and at 1920x1080.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flowrun.frame import Image
from flowrun.hooks.support.geometry import corners
from flowrun.hooks.support.strokes import draw_line
from flowrun.image.text import Color, Mask, stacked, write
from flowrun.view import Box

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
DARK: Color = (20, 20, 20)  # gray: the same in RGB and in BGR
LIGHT: Color = (240, 240, 240)
_MIN_FONT_SIZE = 12  # pixels; smaller text is illegible
_BRIGHT = 128


class LabelledBox(NamedTuple):
    box: Box
    color: Color
    label: str  # an empty one is not drawn
    angle: float | None = None  # radians, clockwise around the centre


def draw_boxes_with_labels(
    image: Image, boxes: Sequence[LabelledBox], thickness: int | None
) -> None:
    """Draw the boxes, and the labels above all of them.

    `thickness` is the line width in pixels; `None`: by the height of the image.
    """
    thickness = thickness or max(1, round(image.shape[0] / 240))
    for box, color, _, angle in boxes:
        if angle:
            points = corners(box, angle)
            draw_line(image, (*points, points[0]), color, thickness)
        else:
            draw_outline(image, box, color, thickness)
    for box, color, label, _ in boxes:
        if label:
            draw_label(image, label, box, color)


def draw_outline(image: Image, box: Box, color: Color, width: int) -> None:
    """Draw the outline of `box` (x0, y0, x1, y1), inside it. A box without area is skipped."""
    x0, x1 = (min(max(round(x), 0), image.shape[1]) for x in (box[0], box[2]))
    y0, y1 = (min(max(round(y), 0), image.shape[0]) for y in (box[1], box[3]))
    if x0 >= x1 or y0 >= y1:
        return
    image[y0 : min(y0 + width, y1), x0:x1] = color
    image[max(y1 - width, y0) : y1, x0:x1] = color
    image[y0:y1, x0 : min(x0 + width, x1)] = color
    image[y0:y1, max(x1 - width, x0) : x1] = color


def draw_label(image: Image, text: str, box: Box, color: Color) -> None:
    """Draw `text` on a background of `color` above `box`, or inside if there is no space above.

    It is moved inside the image; text wider than the image is clipped.
    """
    mask = _text_mask([text], image)
    height, width = mask.shape
    left, top = round(box[0]), round(box[1]) - height
    if top < 0:
        top = round(box[1])
    left = max(0, min(left, image.shape[1] - width))
    top = max(0, min(top, image.shape[0] - height))
    text_color = DARK if _brightness(color) > _BRIGHT else LIGHT
    write(image, mask, (left, top), text_color, color)


def draw_panel(image: Image, lines: Sequence[str], corner: str) -> None:
    """Draw `lines` in light text on a dark background into one of `CORNERS`."""
    mask = _text_mask(lines, image)
    top, left = ((s - m) for s, m in zip(image.shape[:2], mask.shape, strict=True))
    left = max(0, left) if corner.endswith("right") else 0
    top = max(0, top) if corner.startswith("bottom") else 0
    write(image, mask, (left, top), LIGHT, DARK)


def percent(score: float) -> str:
    """`93 %`."""
    return f"{score * 100:.0f} %"


def _text_mask(lines: Sequence[str], image: Image) -> Mask:
    """The lines one below the other, in a font size for `image`, padded at the left and right."""
    size = max(_MIN_FONT_SIZE, image.shape[0] // 40)
    return np.pad(stacked(lines, size), ((0, 0), (size // 3, size // 3)))


def _brightness(color: Color) -> float:
    return (color[0] + 2 * color[1] + color[2]) / 4  # the same in RGB and in BGR
