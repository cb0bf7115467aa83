"""Presentation times that an encoder takes."""

from __future__ import annotations

import logging

from flowrun.frame import Frame
from flowrun.media.protocols import SinkContext

log = logging.getLogger("flowrun")


class MonotonicTimes:
    """The times of frames, each later than the one before. Used by one thread."""

    def __init__(self, context: SinkContext) -> None:
        self._key = context.key
        self._tick_ns = int(context.info.time_base * 1_000_000_000) or 1
        self._last_ns = -1

    def ns(self, frame: Frame) -> int:
        """Of `frame`, in nanoseconds; with a warning, a tick after the one before it if it is not
        later by itself."""
        at = round(frame.time * 1e9)
        if at <= self._last_ns:
            log.warning(
                "%s: frame %d is not later than the one before it; moved by a tick",
                *(self._key, frame.index),
            )
            at = self._last_ns + self._tick_ns
        self._last_ns = at
        return at
