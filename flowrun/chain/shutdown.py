"""Stop a run gracefully, and abort it after a deadline."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Shutdown:
    """The actions of a stop and of an abort, each run once.

    Any thread may call everything here, but no signal handler. `grace` is the time in seconds
    after which a stop becomes an abort.
    """

    def __init__(self, grace: float) -> None:
        self.stopping = False
        self.aborted = False
        self._grace = grace
        self._lock = threading.Lock()
        self._on_stop: list[Callable[[], None]] = []
        self._on_abort: list[Callable[[], None]] = []
        self._deadline: threading.Timer | None = None

    def stop(self) -> None:
        """Run the actions of a stop, once. Idempotent."""
        with self._lock:
            if self.stopping:
                return
            self.stopping = True
            actions = list(self._on_stop)
            self._deadline = threading.Timer(self._grace, self.abort)
            self._deadline.daemon = True
            self._deadline.start()
        for act in actions:
            act()

    def abort(self) -> None:
        """`stop`, and run the actions of an abort, once. Idempotent."""
        self.stop()
        with self._lock:
            if self.aborted:
                return
            self.aborted = True
            actions = list(self._on_abort)
        for act in actions:
            act()

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

    def close(self) -> None:
        """Cancel the deadline of a stop: the run has ended."""
        if self._deadline is not None:
            self._deadline.cancel()
