"""Draw zones and lines with their counts."""

from __future__ import annotations

import math

from flowrun.frame import Frame, Image
from flowrun.hooks.support import options
from flowrun.hooks.support.counts import LineCount, ZoneCount, counts_of
from flowrun.hooks.support.drawing import draw_label
from flowrun.hooks.support.geometry import Point
from flowrun.hooks.support.palette import color as color_number
from flowrun.hooks.support.strokes import draw_shape
from flowrun.image.text import Color
from flowrun.inference import Result


class draw_zones:
    """Draw what the hooks `zones` before it have counted, on a copy of the image: polygons with the
    number inside, lines with their totals and an arrow in the direction of `in`.

    `thickness` is the line width in pixels (default: by the height of the image). `color` is the
    source's, rgb or bgr. A frame without counts is returned unchanged.
    """

    reads_outputs = ()

    def __init__(self, thickness: int | None = None, color: str = "rgb") -> None:
        self._thickness = options.thickness("thickness", thickness)
        self._bgr = options.choice("color", color, ("rgb", "bgr")) == "bgr"

    def __call__(self, frame: Frame, result: Result) -> Frame:
        counts = counts_of(frame.data)
        if not counts:
            return frame
        image = frame.image.copy()
        width = self._thickness or max(1, round(image.shape[0] / 240))
        labels: list[tuple[str, Point, Color]] = []
        for number, (name, count) in enumerate(counts.items()):
            color = color_number(number, bgr=self._bgr)
            if isinstance(count, ZoneCount):
                draw_shape(image, (*count.polygon, count.polygon[0]), color, width)
                top = min(count.polygon, key=lambda point: (point[1], point[0]))
                labels.append((f"{name} {int(count)}", top, color))
            else:
                _draw_line(image, count, color, width)
                label = f"{name} in {count['in']} out {count['out']}"
                labels.append((label, count.line[0], color))
        for text, (x, y), color in labels:
            draw_label(image, text, (x, y, x, y), color)
        return frame.with_image(image)


def _draw_line(image: Image, count: LineCount, color: Color, width: int) -> None:
    """The line, and from its middle an arrow to its right."""
    (x0, y0), (x1, y1) = count.line
    draw_shape(image, count.line, color, width)
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    length = math.hypot(x1 - x0, y1 - y0)
    along, size = ((x1 - x0) / length, (y1 - y0) / length), 8 * width

    def at(forward: float, right: float) -> Point:
        x, y = forward * size * along[0], forward * size * along[1]
        return middle[0] + x - right * size * along[1], middle[1] + y + right * size * along[0]

    tip = at(0, 1)
    draw_shape(image, (at(0, 0), tip), color, width)
    draw_shape(image, (at(-0.4, 0.6), tip, at(0.4, 0.6)), color, width)
