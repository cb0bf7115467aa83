"""The colors of detections."""

from __future__ import annotations

from zlib import crc32

from flowrun.detection import Detection
from flowrun.image.text import Color

# RGB; distinct on light and dark images.
_PALETTE: tuple[Color, ...] = (
    (60, 220, 80), (255, 150, 30), (60, 160, 255), (240, 80, 170), (250, 220, 50), (40, 210, 210),
    (230, 60, 50), (165, 110, 245), (170, 220, 120), (255, 165, 165), (130, 200, 255),
    (190, 145, 90),
)  # fmt: skip


def color_of(found: Detection, *, bgr: bool) -> Color:
    """The color of its track; without one, that of its class."""
    if found.track_id is not None:
        return color(found.track_id, bgr=bgr)
    if found.class_id is not None:
        return color(found.class_id, bgr=bgr)
    return color(crc32((found.label or "").encode()), bgr=bgr)


def color(number: int, *, bgr: bool) -> Color:
    """One of twelve colors, in the order of the channels."""
    red, green, blue = _PALETTE[number % len(_PALETTE)]
    return (blue, green, red) if bgr else (red, green, blue)
