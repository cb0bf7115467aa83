"""When a live sink shows which picture."""

from __future__ import annotations

import threading
from collections import deque

_LATE = 16  # frames by whose delay a frame counts as missing
_TICK = 0.001  # seconds


class LiveClock:
    """A time line that keeps up with the wall clock, whatever comes and whatever does not.

    It begins at 0 with the first frame and follows the presentation times. Where the next frame is
    later than the ones before it were, and another `interval` has passed, the last picture is due
    once more. Times always rise. All times in seconds; any thread.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._first: tuple[float, float] | None = None  # presentation and arrival of the first
        self._last = 0.0
        self._delays: deque[float] = deque(maxlen=_LATE)

    def frame(self, time: float, now: float) -> float:
        """When the frame of the presentation time `time`, which comes at `now`, is shown."""
        with self._lock:
            if self._first is None:
                self._first = (time, now)
                self._delays.append(0.0)
                return 0.0
            began, arrived = self._first
            self._delays.append(now - arrived - (time - began))
            self._last = max(time - began, self._last + _TICK)
            return self._last

    def repeat(self, now: float) -> float | None:
        """When the last picture is shown once more, `None` if that is not due at `now`."""
        with self._lock:
            missing = self._missing(now)
            if missing < self._interval:
                return None
            # One after the other; after a long wait the last of them stands for all.
            self._last += self._interval if missing < 2 * self._interval else missing
            return self._last

    def catch_up(self, now: float) -> float:
        """The time that it is at `now`, whether or not something is due."""
        with self._lock:
            self._last += max(_TICK, self._missing(now))
            return self._last

    def _missing(self, now: float) -> float:
        """Seconds from what was shown last to what a frame that came now would show."""
        if self._first is None:
            return 0.0
        return now - self._first[1] - max(self._delays) - self._last
