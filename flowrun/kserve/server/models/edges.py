"""Edge detection: white on black."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flowrun.frame import Image
from flowrun.kserve.server.models.grayscale import luma

# Rows at a time: the intermediate arrays of 64 rows fit the processor's cache, which is twice as
# fast as one pass over a 720p picture.
BAND = 64


def edges(image: Image) -> Image:
    """The Sobel gradient of the luma of the RGB `image`, |horizontal| + |vertical|, clipped to 255.

    The outermost pixels have no neighbours on one side and stay black.
    """
    outlines = np.zeros(image.shape, np.uint8)
    last = image.shape[0] - 1
    if image.shape[1] <= 2:  # noqa: PLR2004 - nothing but outermost pixels
        return outlines
    for top in range(1, last, BAND):
        bottom = min(top + BAND, last)
        strength = _gradient(luma(image[top - 1 : bottom + 1]).view(np.int16))
        for channel in range(3):
            outlines[top:bottom, 1:-1, channel] = strength
    return outlines


def _gradient(plane: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """0..255, one row and one column less on every side than `plane`."""
    smooth = plane[:, :-2] + plane[:, 2:]
    smooth += plane[:, 1:-1]
    smooth += plane[:, 1:-1]
    vertical = smooth[2:] - smooth[:-2]
    step = plane[:, 2:] - plane[:, :-2]
    horizontal = step[:-2] + step[2:]
    horizontal += step[1:-1]
    horizontal += step[1:-1]
    strength = np.abs(horizontal)
    strength += np.abs(vertical)  # at most 2040
    np.minimum(strength, 255, out=strength)
    return strength
