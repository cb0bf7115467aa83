"""Draw smooth shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]  # RGB
Point = tuple[float, float]

WIDTH, HEIGHT = 640, 360
SMOOTH = 3  # drawn this many times larger and reduced, for smooth edges


class Canvas:
    """Shapes in the coordinates of the finished picture."""

    def __init__(self, ground: Color) -> None:
        self._image = Image.new("RGB", (WIDTH * SMOOTH, HEIGHT * SMOOTH), ground)
        self._draw = ImageDraw.Draw(self._image)

    def box(
        self, x0: float, y0: float, x1: float, y1: float, fill: Color, corner: float = 0
    ) -> None:
        self._draw.rounded_rectangle(self._scaled(x0, y0, x1, y1), corner * SMOOTH, fill)

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Color) -> None:
        self._draw.ellipse(self._scaled(x - rx, y - ry, x + rx, y + ry), fill)

    def area(self, *points: Point, fill: Color) -> None:
        self._draw.polygon([(x * SMOOTH, y * SMOOTH) for x, y in points], fill)

    def limb(self, *points: Point, fill: Color, width: float) -> None:
        """A line with round joints and ends."""
        scaled = [(x * SMOOTH, y * SMOOTH) for x, y in points]
        self._draw.line(scaled, fill, round(width * SMOOTH), joint="curve")
        for x, y in (points[0], points[-1]):
            self.oval(x, y, width / 2, width / 2, fill)

    def arc(self, x: float, y: float, rx: float, ry: float, ends: Point, fill: Color) -> None:
        box = self._scaled(x - rx, y - ry, x + rx, y + ry)
        self._draw.arc(box, *ends, fill=fill, width=3 * SMOOTH)

    def text(self, x: float, y: float, text: str, size: float, fill: Color) -> None:
        """`text` with its middle at (x, y)."""
        font = ImageFont.load_default(size * SMOOTH)
        self._draw.text((x * SMOOTH, y * SMOOTH), text, fill, font, anchor="mm")

    def picture(self) -> Any:
        """uint8, (HEIGHT, WIDTH, 3)."""
        return np.asarray(self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))

    @staticmethod
    def _scaled(*values: float) -> list[float]:
        return [value * SMOOTH for value in values]
