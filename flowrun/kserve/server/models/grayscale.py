"""Conversion to grayscale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flowrun.frame import Image

# BT.601 luma in 1/256. The sum is 256, so that black and white are exact and every intermediate
# value fits 16 bits.
RED, GREEN, BLUE = 77, 150, 29


def grayscale(image: Image) -> Image:
    """The BT.601 luma of the RGB `image` in all three channels; within 1 of the exact value."""
    grey = luma(image)
    picture = np.empty(image.shape, np.uint8)
    for channel in range(3):  # three times as fast as one assignment that broadcasts
        picture[..., channel] = grey
    return picture


def luma(image: Image) -> npt.NDArray[np.uint16]:
    """The BT.601 luma of an RGB image, 0..255, shape (height, width)."""
    total = np.multiply(image[..., 0], RED, dtype=np.uint16)
    total += np.multiply(image[..., 1], GREEN, dtype=np.uint16)
    total += np.multiply(image[..., 2], BLUE, dtype=np.uint16)
    total += 128  # to the nearest
    total >>= 8
    return total
