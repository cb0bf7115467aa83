"""Scale pictures with Pillow."""

from __future__ import annotations

import numpy as np
from PIL.Image import Resampling, fromarray

from flowrun.frame import Frame, Image

FILTERS = {
    "nearest": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
    "lanczos": Resampling.LANCZOS,
}
# Pillow first averages whole pixels down to this many times the size: three times as fast from
# 1920x1080 to 300x169; with 2.0 the difference cannot be seen.
_GAP = 2.0


def scaled(
    image: Image, size: tuple[int, int], resampling: Resampling = Resampling.BILINEAR
) -> Image:
    """`image` scaled to `size` (width, height), read-only; the same array if it has that size.

    Every filter but `nearest` averages all the pixels it reduces, so that fine patterns turn grey
    instead of flickering.
    """
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(fromarray(image).resize(size, resampling, reducing_gap=_GAP))


def scaled_frame(frame: Frame, size: tuple[int, int], filter: str = "bilinear") -> Image:  # noqa: A002
    """The image of `frame` scaled to `size` (width, height), read-only; `filter` is one of
    `FILTERS`. A decoded picture is converted and scaled in one step, so that its image need not be
    made: several times as fast as `scaled`."""
    if frame.picture is not None and size != (frame.width, frame.height):
        return frame.picture.scaled(size, filter)
    return scaled(frame.image, size, FILTERS[filter])
