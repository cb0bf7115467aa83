"""Measure for how long a part of a run is unavailable."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime


class Downtime:
    """The times in which a part is unavailable.

    `since` is when the current one began, in local time, `None` while the part is available;
    `clock` measures seconds. One thread at a time calls `begin` and `end`, any thread reads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.since: datetime | None = None
        self._clock = clock
        self._began: float | None = None
        self._before = 0.0  # seconds of those that have ended

    def begin(self) -> None:
        """The part is unavailable from now on. No effect if it is already."""
        if self._began is None:
            self._began, self.since = self._clock(), datetime.now()

    def end(self) -> None:
        """The part is available from now on. No effect if it is already."""
        if self._began is not None:
            seconds = self.seconds
            self._began = self.since = None
            self._before = seconds

    @property
    def seconds(self) -> float:
        """For how long the part has been unavailable altogether."""
        began = self._began
        return self._before if began is None else self._before + self._clock() - began


class HasDowntime:
    """A part whose `_downtime` any thread may read."""

    _downtime: Downtime

    @property
    def unavailable_since(self) -> datetime | None:
        return self._downtime.since

    @property
    def unavailable_s(self) -> float:
        return self._downtime.seconds
