"""Fit frames of another size than the first one into it."""

from __future__ import annotations

import logging
from fractions import Fraction

from av.video.frame import VideoFrame

from flowrun.frame import VideoInfo
from flowrun.media import pixel_aspect
from flowrun.media.pixel_aspect import WHOLE, Share, Size

log = logging.getLogger("flowrun")


class Fitting:
    """Decides which part of the images of a source its frames fill, and warns when their size
    changes. Used by one thread."""

    def __init__(self, info: VideoInfo, size: Size, rotation: int | None) -> None:
        """`info` is that of the images, `size` that of the first frame after its rotation.
        `rotation` as that of `Converter`."""
        self._info = info
        self._first = self._last = size
        self._rotation = rotation

    def share(self, frame: VideoFrame, aspect: Fraction, index: int) -> Share:
        """The part that frame number `index` fills. `aspect` is that of its pixels before the
        rotation."""
        size = turned(frame, self._rotation)
        if size != self._last:
            log.warning(
                "source: the frame size changed from %dx%d to %dx%d at frame %d; frames are fitted"
                " into %dx%d",
                *(*self._last, *size, index, self._info.width, self._info.height),
            )
            self._last = size
        if size == self._first:
            return WHOLE
        shown = pixel_aspect.rotated(aspect, degrees(frame, self._rotation))
        return pixel_aspect.share(self._info, size, shown)


def degrees(frame: VideoFrame, rotation: int | None) -> int:
    """By how many degrees counterclockwise `frame` is turned; `rotation` as that of `Converter`."""
    return frame.rotation if rotation is None else rotation


def turned(frame: VideoFrame, rotation: int | None) -> Size:
    """The size of `frame` after its rotation; `rotation` as that of `Converter`."""
    size = (frame.width, frame.height)
    return size[::-1] if degrees(frame, rotation) % 180 else size
