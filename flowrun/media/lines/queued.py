"""Send lines to a receiver that may be slow or unavailable, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.backoff import Backoff
from flowrun.media.lines.line import encoded, line_of
from flowrun.media.lines.line_queue import Line, LineQueue
from flowrun.media.protocols import Fate, SinkContext
from flowrun.spec.flow import SinkSpec
from flowrun.spec.secrets import redact
from flowrun.system.downtime import Downtime, HasDowntime

log = logging.getLogger("flowrun")

FLUSH = 5.0  # seconds that `close` waits for the receiver
GRACE = 1.0  # more seconds for the thread to end
_WARN_EVERY = 60.0  # seconds
_TICK = 1.0  # seconds


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


class QueuedLines(HasDowntime, ABC):
    """Send a line about every frame, in the order in which their fates are decided.

    The lines that wait are bounded (see `LineQueue`). Beside other sinks, a line that does not fit
    is lost, so that a receiver that is slow or unavailable slows nothing; as the only sink it
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
        self._queue = LineQueue()
        self._retry = 0  # lines that are sent again
        self._lost = 0  # lines, of any fate
        self._warned = -_WARN_EVERY
        self._raised = False
        self._lock = threading.Lock()  # guards the counters
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
        self._queue.resume()

    def start(self) -> None:
        """Start sending, at the end of the constructor of a subclass."""
        self._thread.start()

    def note(self, fate: Fate) -> None:
        """Put the line of `fate` into the queue. From any thread, without waiting."""
        if not self._context.when(fate.data):
            return
        line = line_of(fate, self._context.run, datetime.now().astimezone())
        queued = Line(fate.index, line["at"], encoded(line), fate.fate == "delivered")
        if not self._queue.put(queued):
            self._lose([queued])

    def write(self, frame: Frame) -> None:
        """Wait until the line of `frame` fits into the queue."""
        self._queue.wait_for_space()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """Send what waits, for at most `FLUSH` seconds, and end the connection. Raises the error
        that ended the sink, once."""
        self._queue.end(FLUSH)
        self._thread.join(FLUSH + GRACE)
        self.interrupt()
        self._lose(self._queue.take(len(self._queue)))
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            log.warning("%s: %d lines were not sent to %s", self.key, lost, self.address)
        if self.error is not None and not self._raised:
            self._raised = True
            raise self.error

    def abort(self) -> None:
        self._queue.end(0.0)
        self.interrupt()

    def _serve(self) -> None:
        backoff = Backoff(self._reconnect)
        connected = time.monotonic()
        while (lines := self._queue.next(self._retry or self._batch, _TICK)) is not None:
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
                self._queue.pause(max(delay, min(error.after, self._reconnect.maximum)))
                continue
            except BrokenError as error:
                self._fail(SinkError(str(error), key=self.key))
                break
            except RefusedError as error:
                self._warn(f"{self.key}: {redact(str(error))}; the line is lost")
                self._lose(self._queue.take(len(lines)))
            else:
                taken = self._queue.take(len(lines))
                with self._lock:
                    self.delivered += sum(line.delivered for line in taken)
            self._retry = 0
            if self._downtime.since is not None:
                self._downtime.end()
                self.reconnects += 1
                log.info("%s: %s is available again", self.key, self.address)
                connected = time.monotonic()
        self.disconnect()

    def _lose(self, lines: Sequence[Line]) -> None:
        count = sum(line.delivered for line in lines)
        with self._lock:
            self.failed += count
            self.missing += count
            self._lost += len(lines)

    def _fail(self, error: SinkError) -> None:
        self.error = error
        self._queue.end(0.0)
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
