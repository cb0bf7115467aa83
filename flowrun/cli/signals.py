"""Handle Ctrl-C, SIGTERM and SIGHUP: the first one stops the run, the second one aborts it."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowrun.run import Run

log = logging.getLogger("flowrun")

NUMBERS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


class Signals:
    """While it is entered (on the main thread), signals stop `run`.

    A thread of its own receives them through the wake-up descriptor, which C code writes to at
    once: a handler in Python waits for the main thread, which a hook may block forever.
    """

    def __init__(self, run: Run) -> None:
        self.first = 0  # number of the first signal, 0 if none has arrived
        self._run = run
        self._before: dict[int, Any] = {}
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._act, name="flowrun-signals", daemon=True)

    def __enter__(self) -> Signals:
        self._thread.start()
        for number in _handled():
            self._before[number] = signal.signal(number, lambda *_: None)
        self._fd_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._fd_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        # The thread reads the signals before this, then the end. Closing would not end its read:
        # a process that a hook has forked holds the socket too.
        self._writer.shutdown(socket.SHUT_WR)
        self._thread.join()
        self._writer.close()
        self._reader.close()

    def _act(self) -> None:
        self.first = self._next()
        if not self.first:
            return
        # On threads of their own: nothing may hold up the next signal, not even standard error.
        text = "stopping: frames in flight are finished first; a second signal aborts"
        threading.Thread(target=log.info, args=(text,), name="flowrun-log", daemon=True).start()
        threading.Thread(target=self._run.stop, name="flowrun-stop", daemon=True).start()
        if self._next():
            threading.Thread(target=self._run.abort, name="flowrun-abort", daemon=True).start()

    def _next(self) -> int:
        """Wait for the next signal of `NUMBERS` and return its number; 0 at the end."""
        while number := self._reader.recv(1):
            if number[0] in NUMBERS:
                return number[0]
        return 0


def wait_for_signal() -> int:
    """Sleep (on the main thread) until Ctrl-C, SIGTERM or SIGHUP, and return its number."""
    received: SimpleQueue[int] = SimpleQueue()
    with handling(lambda number, _: received.put(number)):
        while True:
            try:
                # With a timeout: Windows runs a handler only when the main thread wakes up.
                return received.get(timeout=0.25)
            except Empty:
                continue


@contextlib.contextmanager
def handling(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """While it is entered (on the main thread), `handler` gets Ctrl-C, SIGTERM and SIGHUP."""
    before = {number: signal.signal(number, handler) for number in _handled()}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _handled() -> list[int]:
    """`NUMBERS` without a SIGHUP that the parent process has set to be ignored (`nohup`)."""
    hangup = getattr(signal, "SIGHUP", None)
    return [
        number
        for number in NUMBERS
        if number != hangup or signal.getsignal(number) is not signal.SIG_IGN
    ]
