"""Stop a run gracefully, abort it after a deadline, and report one that does not end."""

from __future__ import annotations

import threading
from collections.abc import Callable

OVERDUE = 0.8  # seconds after an abort
CLOSE_TIMEOUT = 10.0  # seconds for the `close()` of all hooks


class Shutdown:
    """The actions of a stop, of an abort, and for a run that is overdue, each run once.

    Any thread may call everything here, but no signal handler. `grace` is the time in seconds
    after which a stop becomes an abort; then `timed_out` is set. A run is overdue if it has not
    ended `OVERDUE` seconds after an abort: the user's code does not return.
    """

    def __init__(self, grace: float) -> None:
        self.stopping = False
        self.aborted = False
        self.timed_out = False
        self._overdue = False
        self._grace = grace
        self._lock = threading.Lock()
        self._on_stop: list[Callable[[], None]] = []
        self._on_abort: list[Callable[[], None]] = []
        self._on_overdue: list[Callable[[], None]] = []
        self._deadlines: list[threading.Timer] = []

    def stop(self) -> None:
        """Run the actions of a stop, once. Idempotent."""
        with self._lock:
            if self.stopping:
                return
            self.stopping = True
            actions = list(self._on_stop)
        self.limit()
        for act in actions:
            act()

    def abort(self) -> None:
        """`stop`, and run the actions of an abort, once. Idempotent."""
        with self._lock:
            if self.aborted:
                return
            self.aborted = True
            actions = list(self._on_abort)
        self._at(OVERDUE, self._report)
        self.stop()
        for act in actions:
            act()

    def limit(self) -> None:
        """Abort the run if it has not ended within `grace`: it is stopping, or has failed."""
        self._at(self._grace, self._time_out)

    def closing(self) -> None:
        """The hooks are closed now: the run is overdue if it has not ended within
        `CLOSE_TIMEOUT`."""
        self._at(CLOSE_TIMEOUT, self._report)

    def when_stopped(self, act: Callable[[], None]) -> None:
        """Call `act` at `stop`, or now if that was called already."""
        with self._lock:
            self._on_stop.append(act)
            late = self.stopping
        if late:
            act()

    def when_aborted(self, act: Callable[[], None]) -> None:
        """Call `act` at `abort`, or now if that was called already."""
        with self._lock:
            self._on_abort.append(act)
            late = self.aborted
        if late:
            act()

    def when_overdue(self, act: Callable[[], None]) -> None:
        """Call `act`, on a thread of its own, if the run is overdue. Call this before the run."""
        self._on_overdue.append(act)

    def close(self) -> None:
        """Cancel all deadlines: the run has ended."""
        with self._lock:
            self._overdue = True
            deadlines = list(self._deadlines)
        for deadline in deadlines:
            deadline.cancel()

    def _at(self, seconds: float, act: Callable[[], None]) -> None:
        deadline = threading.Timer(seconds, act)
        deadline.daemon = True
        with self._lock:
            self._deadlines.append(deadline)
        deadline.start()

    def _time_out(self) -> None:
        with self._lock:
            self.timed_out |= not self.aborted
        self.abort()

    def _report(self) -> None:
        with self._lock:
            if self._overdue:
                return
            self._overdue = True
        for act in self._on_overdue:
            act()
