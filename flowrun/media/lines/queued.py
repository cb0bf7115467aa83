"""Queue lines for a receiver that may be slow or unavailable, and send them on another thread."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.backoff import Backoff
from flowrun.media.lines.line import encoded, line_of
from flowrun.media.protocols import Fate, SinkContext
from flowrun.spec.flow import SinkSpec
from flowrun.spec.secrets import redact
from flowrun.system.downtime import Downtime, HasDowntime

log = logging.getLogger("flowrun")

MAX_LINES = 1000
MAX_BYTES = 64 << 20
FLUSH = 5.0  # seconds that `close` waits for the receiver
GRACE = 1.0  # more seconds for the thread to end
_WARN_EVERY = 60.0  # seconds
_TICK = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Line:
    """A line in the queue, without a line break."""

    index: int
    at: str
    text: bytes
    delivered: bool  # whether its frame is


class UnavailableError(Exception):
    """The receiver is unavailable: the lines stay in the queue and are sent again, in `after`
    seconds at the earliest."""

    def __init__(self, text: str, after: float = 0.0) -> None:
        super().__init__(text)
        self.after = after


class RefusedError(Exception):
    """The receiver does not accept these lines: they are lost, others may be accepted."""


class BrokenError(Exception):
    """No more lines can be sent."""


class QueuedLines(HasDowntime):
    """Send a line about every frame, in the order in which their fates are decided.

    At most `MAX_LINES` lines and `MAX_BYTES` bytes wait. Beside other sinks, a line that does not
    fit is lost, so that a receiver that is slow or unavailable slows nothing; as the only sink it
    is waited for. Lost lines of delivered frames count as failed (`missing`), sent ones as
    delivered. `address` is the receiver's, without secrets. One thread of its own sends.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext, *, batch: int = 1) -> None:
        self.key = context.key
        self.address = redact(spec.uri)
        self.delivered = self.failed = self.missing = self.reconnects = 0
        self.error: SinkError | None = None
        self._context = context
        self._reconnect = spec.reconnect
        self._batch = batch
        self._downtime = Downtime()
        self._waiting: deque[Line] = deque()
        self._bytes = 0
        self._retry = 0  # lines that are sent again
        self._lost = 0  # lines, of any fate
        self._warned = -_WARN_EVERY
        self._deadline: float | None = None  # once it is closing
        self._resumed = self._raised = False
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread = threading.Thread(
            target=self._serve, name=f"flowrun-{context.key}", daemon=True
        )

    @abstractmethod
    def send(self, lines: Sequence[Line]) -> None:
        """Send `lines` and wait, for a bounded time, until the receiver has them. On the sending
        thread. After `UnavailableError` it is called again with the same lines. Raises
        `RefusedError` and `BrokenError`."""

    def tick(self) -> None:
        """Called about once a second. On the sending thread; must not block."""

    def disconnect(self) -> None:
        """End the connection. On the sending thread, as its last act."""

    def interrupt(self) -> None:
        """Make a `send` that is blocked end soon. From any thread."""

    def resume(self) -> None:
        """Send again at once: the receiver is available. From any thread."""
        with self._lock:
            self._resumed = True
            self._changed.notify_all()

    def start(self) -> None:
        """Start sending, at the end of the constructor of a subclass."""
        self._thread.start()

    def note(self, fate: Fate) -> None:
        """Put the line of `fate` into the queue. From any thread, without waiting."""
        if not self._context.when(fate.data):
            return
        line = line_of(fate, self._context.run, datetime.now().astimezone())
        queued = Line(fate.index, line["at"], encoded(line), fate.fate == "delivered")
        with self._lock:
            if self.error is not None or self._deadline is not None or self._full():
                self._lose([queued])
                return
            self._waiting.append(queued)
            self._bytes += len(queued.text)
            self._changed.notify_all()

    def write(self, frame: Frame) -> None:
        """Wait until the line of `frame` fits into the queue."""
        with self._lock:
            while self._full() and self.error is None and self._deadline is None:
                self._changed.wait()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Send what waits, for at most `FLUSH` seconds, and end the connection. Raises the error
        that ended the sink, once."""
        self._end(FLUSH)
        self._thread.join(FLUSH + GRACE)
        self.interrupt()
        with self._lock:
            self._lose_next(len(self._waiting))
            lost, self._lost = self._lost, 0
        if lost:
            log.warning("%s: %d lines were not sent to %s", self.key, lost, self.address)
        if self.error is not None and not self._raised:
            self._raised = True
            raise self.error

    def abort(self) -> None:
        self._end(0.0)
        self.interrupt()

    def _end(self, seconds: float) -> None:
        with self._lock:
            deadline = time.monotonic() + seconds
            self._deadline = min(deadline, self._deadline or deadline)
            self._changed.notify_all()

    def _serve(self) -> None:
        backoff = Backoff(self._reconnect)
        connected = time.monotonic()
        while (lines := self._next()) is not None:
            try:
                self.tick()
                if not lines:
                    continue
                self.send(lines)
            except UnavailableError as error:
                self._retry = len(lines)
                now = time.monotonic()
                lasted = now - connected if self._downtime.since is None else 0.0
                delay = backoff.next_delay(now, lasted)
                if delay is None:
                    hint = backoff.give_up_hint("sink")
                    self._fail(SinkError(f"{self._unavailable(error)}", key=self.key, hint=hint))
                    break
                self._note_unavailable(error)
                self._pause(max(delay, min(error.after, self._reconnect.maximum)))
                continue
            except BrokenError as error:
                self._fail(SinkError(str(error), key=self.key))
                break
            except RefusedError as error:
                self._warn(f"{self.key}: {redact(str(error))}; the line is lost")
                with self._lock:
                    self._lose_next(len(lines))
            else:
                with self._lock:
                    self.delivered += sum(line.delivered for line in self._take(len(lines)))
            self._retry = 0
            if self._downtime.since is not None:
                self._downtime.end()
                self.reconnects += 1
                log.info("%s: %s is available again", self.key, self.address)
                connected = time.monotonic()
        self.disconnect()

    def _next(self) -> list[Line] | None:
        """Wait for lines to send, none if there are none for a while; `None` at the end."""
        with self._lock:
            if not self._waiting and self._deadline is None:
                self._changed.wait(_TICK)
            if self._deadline is not None and (
                not self._waiting or time.monotonic() >= self._deadline
            ):
                return None
            count = self._retry or min(self._batch, len(self._waiting))
            return [self._waiting[n] for n in range(count)]

    def _pause(self, seconds: float) -> None:
        """Wait so long, or until `resume`, or until the deadline, which `close` may set."""
        end = time.monotonic() + seconds
        with self._lock:
            self._resumed = False
            while not self._resumed and (now := time.monotonic()) < min(end, self._deadline or end):
                self._changed.wait(min(end, self._deadline or end) - now)

    def _full(self) -> bool:
        return len(self._waiting) >= MAX_LINES or self._bytes >= MAX_BYTES

    def _take(self, count: int) -> list[Line]:
        """Remove the next `count` lines, or none if `close` has given them up meanwhile."""
        taken = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
        self._bytes -= sum(len(line.text) for line in taken)
        self._changed.notify_all()
        return taken

    def _lose_next(self, count: int) -> None:
        self._lose(self._take(count))

    def _lose(self, lines: Sequence[Line]) -> None:
        count = sum(line.delivered for line in lines)
        self.failed += count
        self.missing += count
        self._lost += len(lines)

    def _fail(self, error: SinkError) -> None:
        with self._lock:
            self.error = error
            self._changed.notify_all()
        log.warning("%s; no more lines are sent", error)

    def _note_unavailable(self, error: UnavailableError) -> None:
        if self._downtime.since is None:
            self._downtime.begin()
            log.warning("%s: %s; lines wait for it", self.key, self._unavailable(error))

    def _unavailable(self, error: Exception) -> str:
        return f"{self.address} is unavailable: {redact(str(error))}"

    def _warn(self, text: str) -> None:
        now = time.monotonic()
        if now - self._warned >= _WARN_EVERY:
            self._warned = now
            log.warning("%s", text)
