"""One time line over all the sessions of a source that comes and goes."""

from __future__ import annotations

_AHEAD = 2.0  # seconds by which one frame may be earlier than the earliest of its session so far
_BACK = 1.0  # seconds by which presentation times may go back before it is another time line
_TICK = 0.001


class Timeline:
    """Presentation times that begin at 0 and strictly rise, whatever the source says.

    Inside a session the source's own clock decides. A new session begins where the wall clock is,
    as seen from the first frame of all, so that what one session gained or lost on it (by a burst
    of what the server kept, by a stall) does not add up with that of the next. After a jump inside
    a session, the time since the frame before is what passed on the wall clock.
    """

    def __init__(self) -> None:
        self._began: float | None = None  # arrival of the first frame of all
        self._offset: float | None = None
        self._last = (0.0, 0.0)  # time and arrival of the last frame
        self._punctual = 0.0  # time - arrival of the most punctual frame

    def renew(self) -> None:
        """A new session begins."""
        self._offset = None

    def at(self, pts: float, arrival: float) -> float:
        """The time of a frame with the presentation time `pts` that came at `arrival` (seconds on
        a monotonic clock)."""
        if self._began is None:
            self._began = arrival
            return self._anchored(0.0, pts, arrival)
        time, came = self._last
        if self._offset is None:
            return self._anchored(max(arrival - self._began, time + _TICK), pts, arrival)
        if self._jumped(pts + self._offset, arrival, time):
            return self._anchored(time + max(arrival - came, _TICK), pts, arrival)
        time = max(pts + self._offset, time + _TICK)
        self._punctual = max(self._punctual, time - arrival)
        self._last = (time, arrival)
        return time

    def _anchored(self, time: float, pts: float, arrival: float) -> float:
        """This frame has this time, and those after it follow."""
        self._offset = time - pts
        self._punctual = time - arrival
        self._last = (time, arrival)
        return time

    def _jumped(self, time: float, arrival: float, last: float) -> bool:
        return time - arrival > self._punctual + _AHEAD or time < last - _BACK
