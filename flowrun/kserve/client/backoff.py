"""Pauses between attempts that fail."""

from __future__ import annotations

FIRST_PAUSE = 0.1  # seconds


def pause_after(failures: int, longest: float) -> float:
    """Seconds to wait after so many failures in a row: `FIRST_PAUSE`, doubled each time."""
    return min(FIRST_PAUSE * 2 ** min(failures - 1, 10), longest) if failures else 0.0
