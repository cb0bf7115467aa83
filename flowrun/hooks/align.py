"""The picture with sides that a server can draw in."""

from __future__ import annotations

import numpy as np

from flowrun.frame import Frame
from flowrun.hooks import options


class align:
    """Widens pictures to a multiple of 16 pixels by repeating their right edge.

    Graphs of OpenVINO Model Server that draw may shear pictures of other widths. `width` and
    `height` say what a multiple of each has to be; a height grows below. The picture that comes
    out may be written, unless it fits already: then the frame is the same. `picture` cuts the
    answer to the source's size again.
    """

    def __init__(self, width: int = 16, height: int = 1) -> None:
        self._width = options.whole("width", width)
        self._height = options.whole("height", height)

    def __call__(self, frame: Frame) -> Frame:
        width = _up(frame.width, self._width)
        height = _up(frame.height, self._height)
        if (width, height) == (frame.width, frame.height):
            return frame
        image = np.empty((height, width, 3), np.uint8)
        image[: frame.height, : frame.width] = frame.image
        image[: frame.height, frame.width :] = frame.image[:, -1:]
        image[frame.height :] = image[frame.height - 1]
        return frame.with_image(image, frame.seen.cut(0, 0, width, height))


def _up(side: int, multiple: int) -> int:
    return -(-side // multiple) * multiple
