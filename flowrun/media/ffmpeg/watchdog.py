"""The end of a read or a write that takes too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY = 0.1  # seconds


class Watchdog:
    """Calls `act` (from a thread of its own, once) when a block under `limit` is overdue.

    Killing the process at the other end of a pipe is the one way to end a blocked read or write on
    every platform.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        self.barked = False
        self._act = act
        self._deadline: float | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flowrun-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """The block may take this long. One thread at a time."""
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = None

    def close(self) -> None:
        """Nothing is overdue any more. Idempotent, from any thread."""
        self._over.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.barked = True
                self._act()
                return
