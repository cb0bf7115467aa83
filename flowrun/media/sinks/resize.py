"""Resize an image without interpolation."""

from __future__ import annotations

import numpy as np

from flowrun.frame import Image


def resize(image: Image, size: tuple[int, int]) -> Image:
    """`image` scaled to `size` (width, height), nearest neighbour.

    For the rare case that a live stream cannot change its size; hooks and sources scale better.
    """
    width, height = size
    rows = (np.arange(height) * 2 + 1) * image.shape[0] // (height * 2)
    columns = (np.arange(width) * 2 + 1) * image.shape[1] // (width * 2)
    return np.ascontiguousarray(image[rows[:, None], columns])
