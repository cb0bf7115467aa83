"""Divide the time of a recording into segments."""

from __future__ import annotations

import math

_TOLERANCE = 1e-6  # seconds, for times that are sums of floats


class Segments:
    """Segments of `seconds`, from the first frame on; `None` is a single one.

    A boundary is a multiple of `seconds`, so that lengths do not drift, also after a gap.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._first: float | None = None
        self._segment = 0

    def begins_at(self, time: float) -> bool:
        """Whether the frame at `time`, in seconds, is the first one of a segment. Once for each
        frame, in order."""
        if self._first is None:
            self._first = time
            return True
        if self._seconds is None:
            return False
        before = self._segment
        self._segment = math.floor((time - self._first + _TOLERANCE) / self._seconds)
        return self._segment > before
