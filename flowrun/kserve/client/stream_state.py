"""The state of a stream transport: what is to be sent, the open stream, when to open the next one.

No threads and no lock: the transport holds its own for every call, and acts on what is returned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from flowrun.errors import TransportError
from flowrun.kserve.client.backoff import pause_after
from flowrun.kserve.client.session import Session
from flowrun.kserve.client.window import Completion, Pending, Window, copy_of, late
from flowrun.kserve.conditions import NOT_NOW
from flowrun.kserve.contract.servers import Correlation
from flowrun.kserve.grpc_errors import GrpcErrors

GRACE = 1.0  # seconds between half-closing a stream and cancelling it
LONGEST_PAUSE = 2.0  # seconds between two streams that end without a response


class StreamState:
    """Times are in seconds of `time.monotonic()`.

    `session` is the stream that is open, `recent` the last two, whose threads `close` joins.
    `generation` counts the streams opened, without those that met no server.
    """

    def __init__(
        self,
        grpc_errors: GrpcErrors,
        correlation: Correlation,
        outputs: frozenset[str],
        timeout: float,
    ) -> None:
        self.session: Session | None = None
        self.recent: list[Session] = []
        self.generation = 0
        self.unsent: deque[Pending] = deque()
        self._grpc_errors = grpc_errors
        self._correlation = correlation
        self._outputs = outputs
        self._timeout = timeout
        self._failures = 0  # streams in a row that ended without a response
        self._open_at = 0.0
        self._last_end = ""  # why the last stream ended

    def may_open(self, now: float) -> bool:
        return self.session is None and bool(self.unsent) and now >= self._open_at

    def open(self) -> Session:
        """A new session, to be started by the caller."""
        self.generation += 1
        window = Window(self._correlation, self.generation, self._outputs, self._grpc_errors)
        session = self.session = Session(window, self.generation)
        self.recent = [*self.recent[-1:], session]
        return session

    def take(self, session: Session) -> Callable[[], bytes]:
        """What makes the message of the next request, which is in flight from now on."""
        pending = self.unsent.popleft()
        session.window.add(pending)
        message, pending.message = pending.message, bytes
        return message

    def shorten(self, now: float) -> None:
        """Set the deadlines that were those of a first response to `timeout` from `now`."""
        for pending in self.unsent:
            pending.deadline = min(pending.deadline, now + self._timeout)
        if self.session is not None:
            self.session.window.shorten(now + self._timeout)

    def expire(self, now: float) -> list[Completion]:
        """End the requests whose deadline has passed, and half-close the stream if there are any,
        so that the server reports what is wrong with it."""
        completions: list[Completion] = []
        while self.unsent and self.unsent[0].deadline <= now:
            why = "; ".join(filter(None, ("the request was not sent", self._last_end)))
            pending = self.unsent.popleft()
            error = late(self._grpc_errors, pending, f" ({why})", condition="interrupted")
            completions.append((pending, error))
        if self.session is not None:
            completions += self.session.window.expire(now)
            if completions:
                self.half_close(now + min(GRACE, self._timeout))
        return completions

    def half_close(self, cancel_at: float) -> None:
        """Send no more over the open stream, and cancel it at `cancel_at` at the latest."""
        session = self.session
        if session is not None:
            session.accepts = False
            session.cancel_at = min(cancel_at, session.cancel_at or cancel_at)

    def is_overdue(self, now: float) -> bool:
        """Whether the open stream is to be cancelled."""
        session = self.session
        return session is not None and session.cancel_at is not None and session.cancel_at <= now

    def next_event(self) -> float | None:
        """When one of the methods above has something to do, if no request comes before."""
        events = [pending.deadline for pending in list(self.unsent)[:1]]
        if self.session is None and self.unsent:
            events.append(self._open_at)
        if self.session is not None:
            for event in (self.session.cancel_at, self.session.window.deadline()):
                if event is not None:
                    events.append(event)
        return min(events, default=None)

    def end(self, error: TransportError, now: float, *, drained: bool) -> list[Completion]:
        """The open stream has ended: end what is in flight, with `error` unless the server was done
        with it (`drained`), and what waits to be sent, if another stream would end the same way."""
        session = self.session
        if session is None:
            return []
        completions = session.window.complete_all() if drained else []
        completions += self.drop(error, now)
        if error.condition in NOT_NOW:
            if not session.window.answered:
                self.generation -= 1
            completions += self.clear(error)
        return completions

    def drop(self, error: TransportError, now: float) -> list[Completion]:
        """Forget the open stream, whose requests end with `error`, and pause before the next."""
        session, self.session = self.session, None
        if session is None:
            return []
        session.accepts = False
        self._last_end = f"the last stream ended: {error.message}"
        if error.condition in NOT_NOW:  # the caller waits before it sends more
            self._failures = 0
        else:
            self._failures = 0 if session.window.answered else self._failures + 1
        # A quarter of the deadline at most, so that each request is tried.
        longest = min(LONGEST_PAUSE, self._timeout / 4)
        self._open_at = now + pause_after(self._failures, longest)
        return session.window.fail_all(error)

    def clear(self, error: TransportError) -> list[Completion]:
        """End what has not been sent."""
        completions: list[Completion] = [
            (each, copy_of(error, error.condition)) for each in self.unsent
        ]
        self.unsent.clear()
        return completions
