"""Limit how long a read or a write may block."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_INTERVAL = 0.1  # seconds


class Watchdog:
    """Call `on_timeout` when a block under `limit` exceeds its time; once, on a thread of its own.

    Killing the process at the other end of a pipe is the one way to end a blocked read or write on
    every platform.
    """

    def __init__(self, on_timeout: Callable[[], None]) -> None:
        self.expired = False
        self._on_timeout = on_timeout
        self._deadline: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flowrun-watchdog", daemon=True)
        self._thread.start()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Allow the block `seconds`. One thread at a time."""
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = None

    def close(self) -> None:
        """Stop watching. Idempotent, from any thread."""
        self._closed.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)

    def _watch(self) -> None:
        while not self._closed.wait(_INTERVAL):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.expired = True
                self._on_timeout()
                return
