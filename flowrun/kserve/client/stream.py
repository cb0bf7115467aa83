"""All requests over one stream, which is opened again when it dies."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from functools import partial

import grpc

from flowrun.errors import ContractError, TransportError
from flowrun.inference import NOT_SHARED, Parameter, Placement, Request, Result
from flowrun.kserve.client.connection import Connection
from flowrun.kserve.client.request_encoder import RequestEncoder
from flowrun.kserve.client.session import Session
from flowrun.kserve.client.window import Completion, Pending, Window, again, complete
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.servers import (
    TIMESTAMP,
    WANTS_FINAL,
    correlation,
    says_when_it_is_done,
)
from flowrun.kserve.wire.messages import Answer, decode_stream

GRACE = 1.0  # seconds that a half-closed stream has to say its status
CLOSING = 0.5  # the same when the transport closes
FIRST_PAUSE = 0.1  # seconds before another stream after one that answered nothing; doubles
LONGEST_PAUSE = 2.0

_log = logging.getLogger("flowrun")


class StreamTransport:
    """Requests over one `ModelStreamInfer` stream at a time, opened when the first one is there.

    Holds what the caller has in flight and nothing more. Three threads: gRPC's own takes the
    requests and makes their messages, `flowrun-stream-N` reads the answers, `flowrun-stream` opens
    streams and keeps the deadlines; the last two complete futures.

    When a request's deadline passes, the stream is half-closed, so that the server says what is
    wrong with it, and cancelled after a grace. What was in flight with it has until then; what was
    not sent yet goes over the next stream, which is opened when the old one has ended.
    """

    def __init__(self, connection: Connection, model: ModelInfo) -> None:
        spec = connection.spec
        self.model = model
        self.encoder = RequestEncoder(spec, model)
        self._connection = connection
        self._spec = spec
        self._grpc_errors = connection.grpc_errors
        self._correlation = correlation(spec, model.server)
        self._parameters: dict[str, Parameter] = dict(spec.parameters)
        if says_when_it_is_done(model.server):
            self._parameters[WANTS_FINAL] = True
        outputs = [tensor.name for tensor in model.outputs or ()]
        self._wanted = frozenset([spec.output] if spec.output else outputs)
        self._open_call = partial(
            connection.stream("ModelStreamInfer"), metadata=connection.headers
        )
        self._grace = min(GRACE, spec.timeout)
        self._key = 0
        self._placements: dict[str, Placement] = {}  # of the requests that are open, by their ids

        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # guards everything below
        self._to_send = threading.Condition(lock)
        self._unsent: deque[Pending] = deque()
        self._session: Session | None = None
        self._past: list[Session] = []
        self._generation = 0
        self._fruitless = 0  # streams in a row that ended without an answer
        self._open_at = 0.0
        self._why = ""  # the last stream ended
        self._wake_at: float | None = 0.0
        self._closing = False
        self._stopped = False
        self._keeper: threading.Thread | None = None

    @property
    def reopened(self) -> int:
        return max(0, self._generation - 1)

    def submit(self, request: Request) -> Future[Result | None]:
        future: Future[Result | None] = Future()
        future.set_running_or_notify_cancel()  # it cannot be cancelled
        # Microseconds since the epoch, always increasing: the one clock that every server of
        # timestamps takes, also when its graph outlives a stream.
        key = self._key = max(time.time_ns() // 1000, self._key + 1)
        stamp = {TIMESTAMP: key} if self._correlation == "timestamp" else {}
        try:
            message = self.encoder.encode(request, str(key), {**self._parameters, **stamp})
        except (TransportError, ContractError) as error:
            future.set_exception(error)
            return future
        pending = Pending(key, message, time.monotonic() + self._spec.timeout, future)
        with self._changed:
            if self._closing:
                raise self._grpc_errors.closed()
            if request.placement is not NOT_SHARED:
                self._placements[str(key)] = request.placement
                future.add_done_callback(lambda _: self._placements.pop(str(key)))
            self._unsent.append(pending)
            self._to_send.notify()
            if self._keeper is None:
                self._keeper = threading.Thread(
                    target=self._keep_time, name="flowrun-stream", daemon=True
                )
                self._keeper.start()
            if self._session is None or self._wake_at is None or self._wake_at > pending.deadline:
                self._changed.notify_all()
        return future

    def close(self) -> None:
        """Half-close and give the server `CLOSING` seconds for what is in flight, then cancel."""
        with self._changed:
            self._closing = True
            completions: list[Completion] = [
                (each, self._grpc_errors.closed()) for each in self._unsent
            ]
            self._unsent.clear()
            if self._session is not None:
                self._half_close(self._session, time.monotonic() + CLOSING)
            self._changed.notify_all()
        complete(completions)
        with self._changed:
            self._changed.wait_for(lambda: self._session is None, CLOSING + 1)
            self._stopped = True
            completions = self._drop(self._grpc_errors.closed())
            self._changed.notify_all()
            sessions = list(self._past)
        complete(completions)
        for session in sessions:
            session.cancel()
            session.join(1.0)
        if self._keeper is not None and self._keeper is not threading.current_thread():
            self._keeper.join(1.0)
        self._connection.channel.close()

    # The thread that keeps the time.

    def _keep_time(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                now = time.monotonic()
                completions = self._expire(now)
                cancelled = self._session if self._is_overdue(now) else None
                if cancelled is not None:
                    completions += self._drop(self._given_up())
                opened = self._new_session() if self._may_open(now) else None
                if not completions and cancelled is None and opened is None:
                    self._wake_at = self._next_event()
                    self._changed.wait(None if self._wake_at is None else self._wake_at - now)
                    continue
            if cancelled is not None:
                cancelled.cancel()
            if opened is not None:
                self._start(opened)
            complete(completions)

    def _expire(self, now: float) -> list[Completion]:
        completions: list[Completion] = []
        while self._unsent and self._unsent[0].deadline <= now:
            why = f" (it could not be sent; {self._why})" if self._why else " (it was not sent)"
            completions.append((self._unsent.popleft(), self._grpc_errors.late(why)))
        if self._session is not None:
            completions += self._session.window.expire(now)
            if completions:
                self._half_close(self._session, now + self._grace)
        return completions

    def _is_overdue(self, now: float) -> bool:
        session = self._session
        return session is not None and session.cancel_at is not None and session.cancel_at <= now

    def _may_open(self, now: float) -> bool:
        return (
            self._session is None
            and bool(self._unsent)
            and now >= self._open_at
            and not self._closing
        )

    def _next_event(self) -> float | None:
        events = [pending.deadline for pending in list(self._unsent)[:1]]
        if self._session is None and self._unsent:
            events.append(self._open_at)
        if self._session is not None:
            for event in (self._session.cancel_at, self._session.window.deadline()):
                if event is not None:
                    events.append(event)
        return min(events, default=None)

    def _start(self, session: Session) -> None:
        try:
            session.start(
                self._open_call,
                # Not a generator, which would hold on to the last one until the next is there.
                iter(partial(self._next_request, session), None),
                partial(self._answered, session),
                partial(self._ended, session),
            )
        except (ValueError, RuntimeError) as error:  # the channel is closed; no thread is to be had
            self._ended(session, grpc.StatusCode.UNAVAILABLE, str(error))

    # gRPC's thread that takes the requests.

    def _next_request(self, session: Session) -> bytes | None:
        """The next message, put together only now, for while it waits the picture is enough;
        `None` when the stream accepts no more."""
        with self._to_send:
            while session.accepts and not self._unsent:
                self._to_send.wait()
            if not session.accepts:
                return None
            pending = self._unsent.popleft()
            session.window.add(pending)
            message, pending.message = pending.message, bytes
        return message()

    # The thread that reads the answers.

    def _answered(self, session: Session, data: bytes) -> None:
        answer: Answer | TransportError
        try:
            answer = decode_stream(data, lambda key: self._placements.get(key, NOT_SHARED))
        except TransportError as error:
            answer = error
        with self._changed:
            if session is not self._session:
                return
            if isinstance(answer, TransportError):
                completions = session.window.unreadable(answer)
            else:
                completions = session.window.answer(answer)
        complete(completions)

    def _ended(self, session: Session, code: grpc.StatusCode, details: str | None) -> None:
        with self._changed:
            if session is not self._session:
                return
            drained = code is grpc.StatusCode.OK and not session.accepts
            error = self._grpc_errors.stream_ended(code, details)
            completions = session.window.finish() if drained else []
            completions += self._drop(error)
            unavailable = code is grpc.StatusCode.UNAVAILABLE
            if unavailable and not session.window.answered:
                self._generation -= 1  # it was never there
            if unavailable:  # another stream would end in the same way
                completions += [(pending, again(error)) for pending in self._unsent]
                self._unsent.clear()
            expected = drained or self._closing
        if not expected and not (unavailable and completions):  # or else the futures tell
            _log.warning("stream %d ended: %s", session.generation, error.message)
        complete(completions)

    # With the lock held.

    def _new_session(self) -> Session:
        self._generation += 1
        window = Window(self._correlation, self._generation, self._wanted, self._grpc_errors)
        session = self._session = Session(window, self._generation)
        self._past = [*self._past[-1:], session]
        return session

    def _half_close(self, session: Session, cancel_at: float) -> None:
        session.accepts = False
        session.cancel_at = min(cancel_at, session.cancel_at or cancel_at)
        self._to_send.notify_all()

    def _given_up(self) -> TransportError:
        if self._closing:
            return self._grpc_errors.closed()
        return TransportError(
            f"the stream to {self._grpc_errors.address} was given up: an earlier frame got no"
            f" answer within {self._spec.timeout:g} s"
        )

    def _drop(self, error: TransportError) -> list[Completion]:
        """Forget the session, whose requests end with `error`."""
        session, self._session = self._session, None
        if session is None:
            return []
        session.accepts = False
        self._to_send.notify_all()
        self._changed.notify_all()
        self._why = f"the last stream ended: {error.message}"
        self._fruitless = 0 if session.window.answered else self._fruitless + 1
        pause = FIRST_PAUSE * 2 ** min(self._fruitless - 1, 10) if self._fruitless else 0.0
        # A quarter of the deadline at most, so that each request is tried.
        self._open_at = time.monotonic() + min(pause, LONGEST_PAUSE, self._spec.timeout / 4)
        return session.window.lose(error)
