"""Measure the current rate of events."""

from __future__ import annotations

import math

_BIN = 0.25  # seconds
_BINS = 16  # complete bins; one more is being filled


class FpsMeter:
    """Events per second over the last four seconds, in fixed memory.

    Times are of one monotonic clock, in seconds. Not thread-safe: the caller locks.
    """

    __slots__ = ("_began", "_counts", "_last", "_until")

    def __init__(self) -> None:
        self._counts = [0] * (_BINS + 1)  # bin n begins at n * _BIN; its index is n modulo this
        self._began: float | None = None
        self._last = 0  # the newest bin
        self._until = -math.inf  # where it ends

    def add(self, now: float) -> None:
        """Count one event at `now`."""
        if self._began is None:
            self._began, self._last = now, int(now // _BIN)
        if now >= self._until:
            self._move_to(now)
        self._counts[self._last % (_BINS + 1)] += 1

    def value(self, now: float) -> float:
        """Events per second, over the time since the first event, at most four seconds and at least
        one: the first few events do not make a wild rate."""
        if self._began is None:
            return 0.0
        if now >= self._until:
            self._move_to(now)
        seconds = now - max(self._began, (self._last - _BINS) * _BIN)
        return sum(self._counts) / max(seconds, 1.0)

    def _move_to(self, now: float) -> None:
        newest = int(now // _BIN)
        for number in range(max(self._last + 1, newest - _BINS), newest + 1):
            self._counts[number % len(self._counts)] = 0
        self._last, self._until = newest, (newest + 1) * _BIN
