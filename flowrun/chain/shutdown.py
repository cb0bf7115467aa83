"""How a run is ended from outside: first politely, then not."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Shutdown:
    """Whether a run is to stop or to abort, and what is to be done then.

    Everything may be called by any thread, but not by a signal handler. `patience` is how long, in
    seconds, a stop may take before it becomes an abort.
    """

    def __init__(self, patience: float) -> None:
        self.stopping = False
        self.aborted = False
        self._patience = patience
        self._lock = threading.Lock()
        self._on_stop: list[Callable[[], None]] = []
        self._on_abort: list[Callable[[], None]] = []
        self._deadline: threading.Timer | None = None

    def stop(self) -> None:
        """Do what was registered, once. Idempotent."""
        with self._lock:
            if self.stopping:
                return
            self.stopping = True
            actions = list(self._on_stop)
            self._deadline = threading.Timer(self._patience, self.abort)
            self._deadline.daemon = True
            self._deadline.start()
        for act in actions:
            act()

    def abort(self) -> None:
        """`stop`, and what was registered for the worst, once. Idempotent."""
        self.stop()
        with self._lock:
            if self.aborted:
                return
            self.aborted = True
            actions = list(self._on_abort)
        for act in actions:
            act()

    def when_stopped(self, act: Callable[[], None]) -> None:
        """Do `act` at `stop`: now, if it has come already."""
        with self._lock:
            self._on_stop.append(act)
            late = self.stopping
        if late:
            act()

    def when_aborted(self, act: Callable[[], None]) -> None:
        """Do `act` at `abort`: now, if it has come already."""
        with self._lock:
            self._on_abort.append(act)
            late = self.aborted
        if late:
            act()

    def close(self) -> None:
        """It is over: a stop has no deadline any more."""
        if self._deadline is not None:
            self._deadline.cancel()
