"""Compute the presentation times of a live source on one time line."""

from __future__ import annotations

from flowrun.media.clock_jumps import MAX_GAP, OnJump

_MAX_AHEAD = 2.0  # seconds that a frame may be earlier than the earliest of its session so far
_MAX_BACK = 1.0  # seconds that presentation times may go back within one time line
_TICK = 0.001


class LiveTimeline:
    """Presentation times that start at 0 and strictly increase, whatever the source reports.

    Within a session the source's own clock decides. A new session starts at the wall clock's time
    since the first frame of all. So what one session gains or loses against the wall clock (by a
    burst of what the server buffered, by a stall) does not add up with that of the next. After a
    jump within a session, the time since the previous frame is that of the wall clock; `on_jump` is
    called where the clock stepped back, or ahead by more than ten minutes.
    """

    def __init__(self, on_jump: OnJump) -> None:
        self._on_jump = on_jump
        self._start: float | None = None  # arrival of the first frame of all
        self._offset: float | None = None
        self._last = (0.0, 0.0)  # time and arrival of the last frame
        self._earliest = 0.0  # time - arrival of the frame that arrived earliest for its time

    def renew(self) -> None:
        """Start a new session."""
        self._offset = None

    def at(self, pts: float, arrival: float) -> float:
        """The time of a frame with the presentation time `pts` that arrived at `arrival` (seconds
        on a monotonic clock)."""
        if self._start is None:
            self._start = arrival
            return self._anchor(0.0, pts, arrival)
        time, previous = self._last
        if self._offset is None:
            return self._anchor(max(arrival - self._start, time + _TICK), pts, arrival)
        if self._jumped(pts + self._offset, arrival, time):
            step = pts + self._offset - time
            if step < 0 or step > MAX_GAP:
                self._on_jump(step)
            return self._anchor(time + max(arrival - previous, _TICK), pts, arrival)
        time = max(pts + self._offset, time + _TICK)
        self._earliest = max(self._earliest, time - arrival)
        self._last = (time, arrival)
        return time

    def _anchor(self, time: float, pts: float, arrival: float) -> float:
        """Set the time of this frame; later frames follow from it."""
        self._offset = time - pts
        self._earliest = time - arrival
        self._last = (time, arrival)
        return time

    def _jumped(self, time: float, arrival: float, last: float) -> bool:
        return time - arrival > self._earliest + _MAX_AHEAD or time < last - _MAX_BACK
