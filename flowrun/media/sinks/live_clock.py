"""When a live sink shows which picture."""

from __future__ import annotations

from collections import deque

_LATE = 16  # frames by whose delay a frame counts as missing
_TICK = 0.001  # seconds


class LiveClock:
    """A time line that keeps up with the wall clock, whatever comes and whatever does not.

    It begins at 0 with the first frame and follows the presentation times. Where the next frame is
    later than the ones before it were, and another `interval` has passed, the last picture is due
    once more. Times always rise. All times in seconds; one thread.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._first: tuple[float, float] | None = None  # presentation and arrival of the first
        self._last = 0.0
        self._delays: deque[float] = deque(maxlen=_LATE)

    def frame(self, time: float, now: float) -> float:
        """When the frame of the presentation time `time`, which comes at `now`, is shown."""
        if self._first is None:
            self._first = (time, now)
            self._delays.append(0.0)
            return 0.0
        began, arrived = self._first
        shown = max(time - began, self._last + _TICK)
        self._delays.append(now - arrived - (time - began))
        self._last = shown
        return shown

    def repeat(self, now: float) -> float | None:
        """When the last picture is shown once more, `None` if that is not due at `now`."""
        if self._first is None:
            return None
        reached = now - self._first[1] - max(self._delays)
        missing = reached - self._last
        if missing < self._interval:
            return None
        # One after the other; after a long wait the last of them stands for all.
        self._last += self._interval if missing < 2 * self._interval else missing
        return self._last
