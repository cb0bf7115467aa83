"""The part of the source's picture that the model sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass(frozen=True, slots=True)
class View:
    """`width` x `height` pixels that show a part of the source's picture, possibly with padding.

    The point (x, y) of the view is (left + x * x_scale, top + y * y_scale) in the source's picture,
    in its pixels, the corner (0, 0) of the first pixel being the origin of both. So `x_scale` is
    the number of the source's pixels for one of the view.
    """

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    x_scale: float = 1.0
    y_scale: float = 1.0

    def resized(self, width: int, height: int) -> View:
        """The same part at another size in pixels."""
        return replace(
            self,
            width=width,
            height=height,
            x_scale=self.x_scale * self.width / width,
            y_scale=self.y_scale * self.height / height,
        )

    def cut(self, left: int, top: int, width: int, height: int) -> View:
        """`width` x `height` pixels from (`left`, `top`) of the view on; beyond its edges there is
        padding, so that a negative `left` pads on the left."""
        return replace(
            self,
            width=width,
            height=height,
            left=self.left + left * self.x_scale,
            top=self.top + top * self.y_scale,
        )

    def to_source(self, box: Box) -> Box:
        """A box (x0, y0, x1, y1) in pixels of the view, in those of the source's picture."""
        x0, y0, x1, y1 = box
        return (
            self.left + x0 * self.x_scale,
            self.top + y0 * self.y_scale,
            self.left + x1 * self.x_scale,
            self.top + y1 * self.y_scale,
        )

    def points_to_source(self, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Points (..., 2), x and y in pixels of the view, in those of the source's picture."""
        origin, scale = np.array((self.left, self.top)), (self.x_scale, self.y_scale)
        moved: npt.NDArray[np.float64] = origin + points * scale
        return moved


@lru_cache(maxsize=16)
def whole(width: int, height: int) -> View:
    """The view of all of a picture of this size; nearly every frame of a run has the same."""
    return View(width, height)
