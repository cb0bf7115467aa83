"""Ctrl-C and SIGTERM: the first one stops, the second one aborts, and nothing holds it up."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from flowrun.run import Run

log = logging.getLogger("flowrun")

NUMBERS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 0.8  # seconds between the second signal and the end by force


class Signals:
    """While it is entered (on the main thread), signals stop `run`.

    A thread of its own hears of them through the wake-up descriptor, which C code writes to at
    once: a handler in Python waits for the main thread, and a hook may keep that one for good.
    `last` is called on that thread with the number of the first signal if `run` is still there
    `PATIENCE` seconds after the second.
    """

    def __init__(self, run: Run, last: Callable[[int], None]) -> None:
        self.first = 0  # number of the first signal that came, 0 if none did
        self._run = run
        self._last = last
        self._over = threading.Event()
        self._before: dict[int, Any] = {}
        self._heard, self._posted = socket.socketpair()
        self._posted.setblocking(False)
        self._thread = threading.Thread(target=self._act, name="flowrun-signals", daemon=True)

    def __enter__(self) -> Signals:
        self._thread.start()
        for number in NUMBERS:
            self._before[number] = signal.signal(number, lambda *_: None)
        self._fd_before = signal.set_wakeup_fd(self._posted.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._posted.close()  # the thread reads the end, after the signals before it
        self._thread.join()
        self._heard.close()

    def _act(self) -> None:
        self.first = self._next()
        if not self.first:
            return
        log.info("stopping: what is in flight is finished; a second signal gives it up")
        self._run.stop()
        if not self._next():
            return
        threading.Thread(target=self._run.abort, name="flowrun-abort", daemon=True).start()
        if not self._over.wait(PATIENCE):
            self._last(self.first)

    def _next(self) -> int:
        """The number of the next signal that counts; 0 when there will be none."""
        while number := self._heard.recv(1):
            if number[0] in NUMBERS:
                return number[0]
        return 0


def wait_for_signal() -> int:
    """Sleep (on the main thread) until Ctrl-C or SIGTERM; its number."""
    posted: SimpleQueue[int] = SimpleQueue()
    before = {n: signal.signal(n, lambda number, _: posted.put(number)) for n in NUMBERS}
    try:
        while True:
            try:
                # Not for ever: Windows runs a handler only when the main thread wakes up.
                return posted.get(timeout=0.25)
            except Empty:
                continue
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
