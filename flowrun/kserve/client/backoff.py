"""Pauses between attempts that fail."""

from __future__ import annotations

FIRST_PAUSE = 0.1  # seconds
LONGEST_PAUSE = 1.0  # seconds between two questions whether a server is ready


def pause_after(failures: int, longest: float) -> float:
    """Seconds to wait after so many failures in a row: `FIRST_PAUSE`, doubled each time."""
    return min(FIRST_PAUSE * 2 ** min(failures - 1, 10), longest) if failures else 0.0


def pause_beyond(pause: float, longest: float) -> float:
    """The pause that follows one of `pause` seconds: twice as long, `FIRST_PAUSE` at least."""
    return min(max(2 * pause, FIRST_PAUSE), longest)
