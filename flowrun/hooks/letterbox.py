"""The whole picture in the size that the model wants, undistorted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.image.scaling import FILTERS, scaled


class letterbox:
    """Fits pictures into `size` and fills what is left over.

    `size` is `640x640` or `[640, 640]`, `fill` one value from 0 to 255 or three in the order of
    the picture's channels, `position` center or top-left, `filter` one of nearest, bilinear,
    bicubic, lanczos. Smaller pictures grow. An odd line left over goes below, a column to the
    right. The picture that comes out may be written.
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
        self._row = np.full((self._size[0], 3), color, np.uint8)  # copied fast, unlike a colour
        self._centered = options.choice("position", position, ("center", "top-left")) == "center"
        self._resampling = FILTERS[options.choice("filter", filter, FILTERS)]

    def __call__(self, frame: Frame) -> Frame:
        width, height = self._size
        scale = min(width / frame.width, height / frame.height)
        inner = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        if not self._centered:
            left = top = 0
        image = np.empty((height, width, 3), np.uint8)
        image[:] = self._row
        picture = scaled(frame.image, inner, self._resampling)
        image[top : top + inner[1], left : left + inner[0]] = picture
        return frame.with_image(image, frame.seen.resized(*inner).cut(-left, -top, width, height))
