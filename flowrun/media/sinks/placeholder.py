"""The picture that is shown while there is none."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from flowrun.frame import Image
from flowrun.image.text import fitting_size, middle, stacked, write

_DARK, _LIGHT = 24, 208  # grey, so that it is the same in RGB and in BGR
_CLEAR = 16  # pixels; from there on fewer lines are better than larger letters


def placeholder(size: tuple[int, int], since: datetime) -> Image:
    """A dark picture that says NO SIGNAL and since when (hours, minutes, seconds of `since`).

    `size` is (width, height), any; the text is legible from 64x48 on. The result is uint8,
    (height, width, 3), grey: good for RGB and for BGR.
    """
    width, height = size
    image = np.full((height, width, 3), _DARK, np.uint8)
    clock = f"{since:%H:%M:%S}"
    layouts = [
        ("NO SIGNAL", f"SINCE {clock}"),
        ("NO SIGNAL", "SINCE", clock),
        ("NO", "SIGNAL", "SINCE", clock),
    ]
    sizes = [fitting_size(lines, width * 7 // 8, height * 7 // 8) for lines in layouts]
    clear = [each for each in sizes if each >= _CLEAR] or [max(sizes)]
    best = sizes.index(clear[0]) if clear[0] else -1
    mask = stacked(layouts[best], max(1, sizes[best]), centered=True)
    write(image, mask, middle(image, mask), (_LIGHT,) * 3, (_DARK,) * 3)
    return image
