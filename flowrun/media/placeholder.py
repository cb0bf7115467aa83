"""The picture that is shown while there is none."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from flowrun.frame import Image
from flowrun.media.font import draw, scale_to_fit, text_mask

_DARK, _LIGHT = 24, 208  # grey, so that it is the same in RGB and in BGR
_CLEAR = 2  # pixels per dot; from there on fewer lines are better than larger letters


def placeholder(size: tuple[int, int], since: datetime) -> Image:
    """A dark picture that says NO SIGNAL and since when (hours, minutes, seconds of `since`).

    `size` is (width, height), any; the text is legible from 64x48 on. The result is uint8,
    (height, width, 3), grey: good for RGB and for BGR.
    """
    width, height = size
    image = np.full((height, width, 3), _DARK, np.uint8)
    clock = f"{since:%H:%M:%S}"
    layouts = [
        text_mask("NO SIGNAL", f"SINCE {clock}"),
        text_mask("NO SIGNAL", "SINCE", clock),
        text_mask("NO", "SIGNAL", "SINCE", clock),
    ]
    room = (width * 7 // 8, height * 7 // 8)
    scales = [scale_to_fit(mask, *room) for mask in layouts]
    clear = [scale for scale in scales if scale >= _CLEAR] or [max(scales)]
    best = scales.index(clear[0]) if clear[0] else -1
    draw(image, layouts[best], max(1, scales[best]), ink=_LIGHT, paper=_DARK)
    return image
