"""Wait until frames are due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

Wait = Callable[[threading.Event, float], bool]


class Pacer:
    """The first frame is due at once, each further one when the difference of their presentation
    times has passed.

    A frame that is late is due at once. If it is late by more than `rebuffer` seconds, all later
    ones are due that much later; `None`: never.
    """

    def __init__(
        self,
        stopped: threading.Event,
        *,
        rebuffer: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = threading.Event.wait,
    ) -> None:
        """A wait ends when `stopped` is set."""
        self._stopped = stopped
        self._rebuffer = rebuffer
        self._clock = clock
        self._wait = wait
        self._start: float | None = None  # when time 0 is due

    def wait(self, time: float) -> float | None:
        """Wait until a frame with the presentation time `time` is due. Return the clock then;
        `None` if it was stopped."""
        now = self._clock()
        if self._start is None:
            self._start = now - time
        early = self._start + time - now
        if early > 0 and self._wait(self._stopped, early):
            return None
        if self._rebuffer is not None and -early > self._rebuffer:
            self._start -= early
        return max(now, self._clock())
