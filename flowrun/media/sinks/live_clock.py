"""Compute when a live sink shows which frame."""

from __future__ import annotations

import threading
from collections import deque

_DELAYS = 16  # frames; one later than the latest of so many counts as missing
_TICK = 0.001  # seconds


class LiveClock:
    """A time line that keeps up with the wall clock, with or without frames.

    It starts at 0 with the first frame and follows the presentation times. When the next frame is
    later than the recent ones were, and another `interval` has passed, the last frame is due again.
    Times strictly increase. All times in seconds; any thread.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._first: tuple[float, float] | None = None  # presentation and arrival of the first
        self._last = 0.0
        self._delays: deque[float] = deque(maxlen=_DELAYS)

    def frame(self, time: float, now: float) -> float:
        """The time at which to show the frame with the presentation time `time` that arrives at
        `now`."""
        with self._lock:
            if self._first is None:
                self._first = (time, now)
                self._delays.append(0.0)
                return 0.0
            start, arrival = self._first
            self._delays.append(now - arrival - (time - start))
            self._last = max(time - start, self._last + _TICK)
            return self._last

    def unbound(self, time: float) -> float:
        """`time` on this time line as the source has it, whatever was shown meanwhile."""
        with self._lock:
            return time - (self._first[0] if self._first else 0.0)

    def repeat(self, now: float) -> float | None:
        """The time at which to repeat the last frame, `None` if that is not due at `now`."""
        with self._lock:
            missing = self._missing(now)
            if missing < self._interval:
                return None
            # One after the other; after a long wait one repeat stands for all.
            self._last += self._interval if missing < 2 * self._interval else missing
            return self._last

    def catch_up(self, now: float) -> float:
        """Advance to `now`, whether or not a frame is due, and return that time."""
        with self._lock:
            self._last += max(_TICK, self._missing(now))
            return self._last

    def _missing(self, now: float) -> float:
        """Seconds from the time shown last to that of a frame that arrived now."""
        if self._first is None:
            return 0.0
        return now - self._first[1] - max(self._delays) - self._last
