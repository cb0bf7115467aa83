"""One time line over all the sessions of a source that comes and goes."""

from __future__ import annotations

_AHEAD = 2.0  # seconds that frames may come early, measured against the most punctual one
_BACK = 1.0  # seconds by which presentation times may go back before it is another time line
_TICK = 0.001


class Timeline:
    """Presentation times that begin at 0, go on where the last session ended, and never back.

    Inside a session the source's own clock decides. Where there is no telling from it (a new
    session, a jump), the time since the last frame is what passed on the wall clock.
    """

    def __init__(self) -> None:
        self._offset: float | None = None
        self._last: tuple[float, float] | None = None  # time and arrival of the last frame
        self._punctual = 0.0  # time - arrival of the most punctual frame

    def renew(self) -> None:
        """A new session begins."""
        self._offset = None

    def at(self, pts: float, arrival: float) -> float:
        """The time of a frame with the presentation time `pts` that came at `arrival` (seconds on
        a monotonic clock)."""
        if self._last is None:
            self._offset, self._last = -pts, (0.0, arrival)
            self._punctual = -arrival
            return 0.0
        time, came = self._last
        now = time + max(_TICK, arrival - came)
        if self._offset is None or self._jumped(pts + self._offset, arrival, time):
            self._offset = now - pts
            self._punctual = now - arrival
        time = max(pts + self._offset, time + _TICK)
        self._punctual = max(self._punctual, time - arrival)
        self._last = (time, arrival)
        return time

    def _jumped(self, time: float, arrival: float, last: float) -> bool:
        return time - arrival > self._punctual + _AHEAD or time < last - _BACK
