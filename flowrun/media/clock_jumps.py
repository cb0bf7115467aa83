"""Continue one time line where the clock of a source jumps, and report the jump."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from fractions import Fraction

from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")

MAX_GAP = 600  # seconds ahead; a smaller step ahead is a gap in the source, and stays
_REORDERED = 0.1  # seconds that the times of a recording may go back
_WRAP = Fraction(2**33, 90_000)  # seconds until the clock of MPEG-TS starts again (ISO/IEC 13818-1)
_REPAIRED = re.compile(r"timestamp discontinuity \([^)]*\): (?P<microseconds>-?\d+),")

OnJump = Callable[[float], object]  # gets the seconds


class RecordedTimeline:
    """Presentation times from the start of the recording that keep its distances.

    Where its clock steps back, or ahead by more than ten minutes, the frame follows when the
    previous one ends, and `on_jump` is called. A clock that has wrapped has not jumped.
    """

    def __init__(self, tick: Fraction, start: int, on_jump: OnJump) -> None:
        """`tick` is the unit of all times and durations in seconds, `start` the presentation time
        at which the recording starts."""
        self._tick = tick
        self._on_jump = on_jump
        self._offset: int | None = -start
        self._last: int | None = None  # time of the last frame
        self._end = 0  # of the last frame

    def rewind(self) -> None:
        """The recording starts again: its first frame follows when the last one ends."""
        self._offset = None

    def at(self, pts: int, duration: int) -> int:
        """The time of a frame with the presentation time `pts`, which lasts for `duration`."""
        if self._offset is None:
            self._offset = self._end - pts
        last = pts + self._offset if self._last is None else self._last
        step = float((pts + self._offset - last) * self._tick)
        if abs(step + _WRAP) < MAX_GAP:
            self._offset += round(_WRAP / self._tick)
        elif step < -_REORDERED or step > MAX_GAP:
            self._on_jump(step)
            self._offset = self._end - pts
        self._last = pts + self._offset
        self._end = self._last + max(duration, 1)
        return self._last


def warn(uri: str, seconds: float) -> None:
    """Log a jump of the clock of `uri` by `seconds`."""
    log.warning(
        "source: the clock of %s jumps by %+.1f s; the times of its frames continue without it",
        redact(uri),
        seconds,
    )


def in_line(line: str) -> float | None:
    """The jump in seconds that ffmpeg reports, and has repaired, in a line of its log."""
    match = _REPAIRED.search(line)
    return int(match["microseconds"]) / 1e6 if match else None
