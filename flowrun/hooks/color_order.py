"""Swap the red and blue channels."""

from __future__ import annotations

import numpy as np

from flowrun.frame import Frame


def color_order(frame: Frame) -> Frame:
    """Convert RGB to BGR, or BGR to RGB. The new image is writable."""
    image = np.empty(frame.image.shape, np.uint8)
    for channel in range(3):  # four times as fast as copying `image[:, :, ::-1]`
        image[:, :, channel] = frame.image[:, :, 2 - channel]
    return frame.with_image(image)
