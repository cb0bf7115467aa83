"""Pad images to a multiple of a width and a height."""

from __future__ import annotations

import numpy as np

from flowrun.frame import Frame
from flowrun.hooks.support import options


class align:
    """Pad the image at the right to a width that is a multiple of 16, by repeating its edge.

    Drawing graphs of OpenVINO Model Server may shear images of other widths. `width` and `height`
    are the multiples; the height is padded at the bottom. The new image is writable; a frame whose
    image fits already is returned unchanged. `picture` crops the model's image to the source's size
    again.
    """

    def __init__(self, width: int = 16, height: int = 1) -> None:
        self._width = options.integer("width", width)
        self._height = options.integer("height", height)

    def __call__(self, frame: Frame) -> Frame:
        width = _round_up(frame.width, self._width)
        height = _round_up(frame.height, self._height)
        if (width, height) == (frame.width, frame.height):
            return frame
        image = np.empty((height, width, 3), np.uint8)
        image[: frame.height, : frame.width] = frame.image
        image[: frame.height, frame.width :] = frame.image[:, -1:]
        image[frame.height :] = image[frame.height - 1]
        return frame.with_image(image, frame.seen.cut(0, 0, width, height))


def _round_up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
