"""Ctrl-C and SIGTERM: the first one stops, the second one aborts, and nothing holds it up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import Any

from flowrun.run import Run

NUMBERS = (signal.SIGINT, signal.SIGTERM)
PATIENCE = 0.8  # seconds between the second signal and the end by force


class Signals:
    """While it is entered (on the main thread), signals stop `run`.

    The handlers only post; a thread of its own acts, because a handler interrupts the main thread
    anywhere, also where it holds a lock that stopping needs. `last` is called on that thread
    with the number of the first signal if `run` is still there `PATIENCE` seconds after the second.
    """

    def __init__(self, run: Run, last: Callable[[int], None]) -> None:
        self.first = 0  # number of the first signal that came, 0 if none did
        self._run = run
        self._last = last
        self._posted: SimpleQueue[int] = SimpleQueue()
        self._over = threading.Event()
        self._before: dict[int, Any] = {}
        self._thread = threading.Thread(target=self._act, name="flowrun-signals", daemon=True)

    def __enter__(self) -> Signals:
        self._thread.start()
        for number in NUMBERS:
            self._before[number] = signal.signal(number, self._post)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._posted.put(0)
        self._thread.join()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _post(self, number: int, _: FrameType | None) -> None:
        self.first = self.first or number
        self._posted.put(number)

    def _act(self) -> None:
        if not self._posted.get():
            return
        self._run.stop()
        if not self._posted.get():
            return
        aborting = threading.Thread(target=self._run.abort, name="flowrun-abort", daemon=True)
        aborting.start()
        if not self._over.wait(PATIENCE):
            self._last(self.first)


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
