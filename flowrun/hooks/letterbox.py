"""Fit the image into the model's input size, keeping its aspect ratio."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.image.scaling import FILTERS, scaled_frame


class letterbox:
    """Scale the image to fit into `size` and pad the rest.

    `size` is `640x640` or `[640, 640]`, `fill` one value from 0 to 255 or three in the order of
    the image's channels, `position` center or top-left, `filter` one of nearest, bilinear, bicubic,
    lanczos. Smaller images are enlarged. Of an odd padding, the extra row is at the bottom, the
    extra column at the right. The new image is writable.
    """

    def __init__(
        self,
        size: str | Sequence[int],
        fill: int | Sequence[int] = 114,
        position: str = "center",
        filter: str = "bilinear",  # noqa: A002
    ) -> None:
        self._size = options.size("size", size)
        color = options.color("fill", fill)
        self._row = np.full((self._size[0], 3), color, np.uint8)  # faster to copy than one color
        self._centered = options.choice("position", position, ("center", "top-left")) == "center"
        self._filter = options.choice("filter", filter, FILTERS)

    def __call__(self, frame: Frame) -> Frame:
        width, height = self._size
        scale = min(width / frame.width, height / frame.height)
        inner = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        if not self._centered:
            left = top = 0
        image = np.empty((height, width, 3), np.uint8)
        image[:] = self._row
        picture = scaled_frame(frame, inner, self._filter)
        image[top : top + inner[1], left : left + inner[0]] = picture
        return frame.with_image(image, frame.seen.resized(*inner).cut(-left, -top, width, height))
