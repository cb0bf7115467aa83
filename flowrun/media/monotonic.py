"""Make presentation times strictly increasing, as encoders require."""

from __future__ import annotations

import logging

from flowrun.frame import Frame
from flowrun.media.protocols import SinkContext

log = logging.getLogger("flowrun")


class MonotonicTimes:
    """The times of frames, each later than the previous one. Used by one thread."""

    def __init__(self, context: SinkContext) -> None:
        self._key = context.key
        self._tick_ns = int(context.info.time_base * 1_000_000_000) or 1
        self._last_ns = -1

    def ns(self, frame: Frame) -> int:
        """The time of `frame` in nanoseconds; if that is not later than the previous one, a tick
        after it, with a warning."""
        time_ns = round(frame.time * 1e9)
        if time_ns <= self._last_ns:
            log.warning(
                "%s: frame %d is not later than the previous one; its time is moved by a tick",
                *(self._key, frame.index),
            )
            time_ns = self._last_ns + self._tick_ns
        self._last_ns = time_ns
        return time_ns
