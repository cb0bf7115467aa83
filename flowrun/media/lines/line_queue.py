"""A bounded queue of lines, which one thread takes to send them."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

MAX_LINES = 1000
MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line in the queue, without a line break."""

    index: int
    at: str
    text: bytes
    delivered: bool  # whether its frame is


class LineQueue:
    """At most `MAX_LINES` lines and `MAX_BYTES` bytes. Any thread puts lines in; one thread, the
    sender, looks at the next ones, sends them and then takes them out.

    `end` sets the time until which the sender may go on; from then on no line is accepted.
    """

    def __init__(self) -> None:
        self._waiting: deque[Line] = deque()
        self._bytes = 0
        self._deadline: float | None = None  # once it has ended
        self._resumed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, line: Line) -> bool:
        """Append a line, without waiting; false if it does not fit or the queue has ended."""
        with self._changed:
            if self._deadline is not None or self._full():
                return False
            self._waiting.append(line)
            self._bytes += len(line.text)
            self._changed.notify_all()
            return True

    def wait_for_space(self) -> None:
        """Wait until a line fits or the queue has ended."""
        with self._changed:
            while self._full() and self._deadline is None:
                self._changed.wait()

    def end(self, seconds: float) -> None:
        """Accept no more lines. The sender may go on for `seconds`."""
        with self._changed:
            deadline = time.monotonic() + seconds
            self._deadline = min(deadline, self._deadline or deadline)
            self._changed.notify_all()

    def resume(self) -> None:
        """End a `pause`. From any thread."""
        with self._changed:
            self._resumed = True
            self._changed.notify_all()

    # The sender calls the methods below.

    def next(self, count: int, timeout: float) -> list[Line] | None:
        """The next lines, at most `count`; none if there are none for `timeout` seconds; `None` at
        the end. They stay in the queue."""
        with self._changed:
            if not self._waiting and self._deadline is None:
                self._changed.wait(timeout)
            if self._deadline is not None and (
                not self._waiting or time.monotonic() >= self._deadline
            ):
                return None
            return [self._waiting[n] for n in range(min(count, len(self._waiting)))]

    def take(self, count: int) -> list[Line]:
        """Remove the next `count` lines, or as many as there are: the rest was given up."""
        with self._changed:
            taken = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
            self._bytes -= sum(len(line.text) for line in taken)
            self._changed.notify_all()
            return taken

    def pause(self, seconds: float) -> None:
        """Wait so long, or until `resume`, or until the deadline of `end`."""
        until = time.monotonic() + seconds
        with self._changed:
            self._resumed = False
            while not self._resumed:
                left = min(until, self._deadline or until) - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def _full(self) -> bool:
        return len(self._waiting) >= MAX_LINES or self._bytes >= MAX_BYTES
