"""Stretch the image to the model's input size."""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.image.scaling import FILTERS, scaled_frame


class resize:
    """Scale the image to `size`, ignoring its aspect ratio.

    `size` is `300x300` or `[300, 300]`, `filter` one of nearest, bilinear, bicubic, lanczos; all
    but `nearest` are antialiased when shrinking. The new image is read-only.
    """

    def __init__(self, size: str | Sequence[int], filter: str = "bilinear") -> None:  # noqa: A002
        self._size = options.size("size", size)
        self._filter = options.choice("filter", filter, FILTERS)

    def __call__(self, frame: Frame) -> Frame:
        image = scaled_frame(frame, self._size, self._filter)
        return frame.with_image(image, frame.seen.resized(*self._size))
