"""Draw the image that is shown while the source is unavailable."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from flowrun.frame import Frame, Image
from flowrun.image.text import fitting_size, middle, stacked, write
from flowrun.media.protocols import SinkContext

_DARK, _LIGHT = 24, 208  # grey, the same in RGB and in BGR
_LEGIBLE = 16  # pixels; from this font size on, fewer lines are better than larger text


class OutagePlaceholder:
    """Decide when a sink shows the placeholder: once per outage, and again after a frame that
    arrived during it. Used by the thread that writes."""

    def __init__(self, context: SinkContext) -> None:
        self._unavailable_since = context.unavailable_since
        self._size = (context.info.width, context.info.height)
        self._shown: datetime | None = None  # the outage on display, `None` while it is a frame

    def frame_shown(self, frame: Frame) -> None:
        """The sink shows `frame`; later placeholders have its size."""
        self._size, self._shown = (frame.width, frame.height), None

    def due(self) -> Image | None:
        """The placeholder to show now, `None` if what is shown is right."""
        since = self._unavailable_since()
        if since is None or since == self._shown:
            return None
        self._shown = since
        return placeholder(self._size, since)


def placeholder(size: tuple[int, int], since: datetime) -> Image:
    """A dark image with the text NO SIGNAL and the time `since` (hours, minutes, seconds).

    `size` is (width, height), any; the text is legible from 64x48 on. The result is uint8,
    (height, width, 3), grey: for RGB and BGR.
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
    legible = [font_size for font_size in sizes if font_size >= _LEGIBLE] or [max(sizes)]
    best = sizes.index(legible[0]) if legible[0] else -1
    mask = stacked(layouts[best], max(1, sizes[best]), centered=True)
    write(image, mask, middle(image, mask), (_LIGHT,) * 3, (_DARK,) * 3)
    return image
