"""Pictures in another number of pixels, by Pillow."""

from __future__ import annotations

import numpy as np
from PIL.Image import Resampling, fromarray

from flowrun.frame import Image

FILTERS = {
    "nearest": Resampling.NEAREST,
    "bilinear": Resampling.BILINEAR,
    "bicubic": Resampling.BICUBIC,
    "lanczos": Resampling.LANCZOS,
}
# Pillow first averages whole pixels until this many times too many are left: three times as fast
# from 1920x1080 to 300x169, and by 2 nobody can tell.
_GAP = 2.0


def scaled(
    image: Image, size: tuple[int, int], resampling: Resampling = Resampling.BILINEAR
) -> Image:
    """`image` as a read-only picture of `size` (width, height); the same array if it has that.

    Every filter but `nearest` weighs all pixels that it shrinks, so that fine patterns turn grey
    and do not flicker.
    """
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(fromarray(image).resize(size, resampling, reducing_gap=_GAP))
