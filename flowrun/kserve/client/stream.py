"""All requests over one stream, which is opened again when it ends."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from functools import partial

import grpc

from flowrun.errors import ContractError, TransportError
from flowrun.inference import NOT_SHARED, Parameter, Placement, Request, Result, new_future
from flowrun.kserve.client.connection import Connection
from flowrun.kserve.client.request_encoder import RequestEncoder
from flowrun.kserve.client.sequence import START_BYTES, Sequence
from flowrun.kserve.client.session import Session
from flowrun.kserve.client.stream_state import StreamState
from flowrun.kserve.client.window import Pending, complete
from flowrun.kserve.conditions import NOT_NOW, of_text, sequence_is_lost
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.servers import correlation, marks_final_response
from flowrun.kserve.wire.parameters import ENABLE_FINAL, TIMESTAMP
from flowrun.kserve.wire.responses import Response, decode_stream

CLOSE_GRACE = 0.5  # seconds for what is in flight when the transport closes

_log = logging.getLogger("flowrun")


class StreamTransport:
    """Requests over one `ModelStreamInfer` stream at a time, opened with the first request.

    Holds what the caller has in flight and nothing more. Three threads: gRPC's own takes the
    requests and makes their messages, `flowrun-stream-N` reads the responses, `flowrun-stream`
    opens streams and keeps the deadlines; the last two complete futures.

    When a request's deadline passes, the stream is half-closed, so that the server reports what is
    wrong with it, and cancelled after a grace period. What was in flight with it has until then;
    what was not sent yet goes over the next stream, which is opened when the old one has ended.
    """

    def __init__(self, connection: Connection, model: ModelInfo) -> None:
        spec = connection.spec
        self.model = model
        self.encoder = RequestEncoder(spec, model)
        self._connection = connection
        self._spec = spec
        self._grpc_errors = connection.grpc_errors
        self._first = connection.first
        self._parameters: dict[str, Parameter] = dict(spec.parameters)
        self._sequence = Sequence() if spec.sequence else None
        if marks_final_response(model.server):
            self._parameters[ENABLE_FINAL] = True
        how = correlation(spec, model.server)
        self._has_timestamps = how == "timestamp"
        outputs = spec.outputs or (
            [spec.output] if spec.output else [tensor.name for tensor in model.outputs or ()]
        )
        self._open_call = partial(
            connection.stream("ModelStreamInfer"), metadata=connection.headers
        )
        self._key = 0
        self._placements: dict[str, Placement] = {}  # of the requests that are open, by their ids

        lock = threading.Lock()
        self._changed = threading.Condition(lock)  # guards everything below
        self._to_send = threading.Condition(lock)
        self._state = StreamState(self._grpc_errors, how, frozenset(outputs), spec.timeout)
        self._wake_at: float | None = 0.0  # the thread that keeps the deadlines
        self._closing = False
        self._stopped = False
        self._timer: threading.Thread | None = None

    @property
    def reopened(self) -> int:
        return max(0, self._state.generation - 1)

    def submit(self, request: Request) -> Future[Result | None]:
        future = new_future()
        # Microseconds since the epoch, always increasing: the one clock that every server of
        # timestamps accepts, also when its graph outlives a stream.
        key = self._key = max(time.time_ns() // 1000, self._key + 1)
        parameters = dict(self._parameters)
        if self._has_timestamps:
            parameters[TIMESTAMP] = key
        if self._sequence is not None:
            parameters.update(self._sequence.parameters(last=request.last))
        try:
            message = self.encoder.encode(request, str(key), parameters)
        except (TransportError, ContractError) as error:
            future.set_exception(error)
            return future
        deadline = time.monotonic() + self._connection.timeout
        first = self._first if self._first.awaited else None
        pending = Pending(key, message, deadline, future, first)
        with self._changed:
            if self._closing:
                raise self._grpc_errors.closed()
            if request.placement is not NOT_SHARED:
                self._placements[str(key)] = request.placement
                future.add_done_callback(lambda _: self._placements.pop(str(key)))
            self._state.unsent.append(pending)
            self._to_send.notify()
            if self._timer is None:
                self._timer = threading.Thread(
                    target=self._keep_deadlines, name="flowrun-stream", daemon=True
                )
                self._timer.start()
            opened = self._state.session is not None
            if not opened or self._wake_at is None or self._wake_at > pending.deadline:
                self._changed.notify_all()
        return future

    def end_stream(self) -> None:
        """Half-close the open stream: the server is not ready, and one that shuts down waits for
        its streams to end. The next request opens another one. From any thread, does not block."""
        with self._changed:
            self._state.half_close(time.monotonic() + self._spec.timeout)
            self._notify()

    def close(self) -> None:
        """Half-close and give the server `CLOSE_GRACE` seconds for what is in flight, then
        cancel."""
        with self._changed:
            self._closing = True
            completions = self._state.clear(self._grpc_errors.closed())
            self._state.half_close(time.monotonic() + CLOSE_GRACE)
            self._notify()
        complete(completions)
        with self._changed:
            self._changed.wait_for(lambda: self._state.session is None, CLOSE_GRACE + 1)
            self._stopped = True
            completions = self._state.drop(self._grpc_errors.closed(), time.monotonic())
            self._notify()
            sessions = list(self._state.recent)
        complete(completions)
        for session in sessions:
            session.cancel()
            session.join(1.0)
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join(1.0)
        self._connection.channel.close()

    # The thread that opens streams and keeps the deadlines.

    def _keep_deadlines(self) -> None:
        while True:
            with self._changed:
                if self._stopped:
                    return
                now = time.monotonic()
                completions = self._state.expire(now)
                cancelled = self._state.session if self._state.is_overdue(now) else None
                if cancelled is not None:
                    completions += self._state.drop(self._cancelled(), now)
                may_open = self._state.may_open(now) and not self._closing
                opened = self._state.open() if may_open else None
                if not completions and cancelled is None and opened is None:
                    self._wake_at = self._state.next_event()
                    self._changed.wait(None if self._wake_at is None else self._wake_at - now)
                    continue
                self._notify()
            if cancelled is not None:
                cancelled.cancel()
            if opened is not None:
                self._start(opened)
            complete(completions)

    def _start(self, session: Session) -> None:
        try:
            session.start(
                self._open_call,
                # Not a generator, which would hold on to the last one until the next is there.
                iter(partial(self._next_message, session), None),
                partial(self._received, session),
                partial(self._ended, session),
            )
        except (ValueError, RuntimeError) as error:  # the channel is closed; no thread can start
            self._ended(session, grpc.StatusCode.UNAVAILABLE, str(error))

    # gRPC's thread that takes the requests.

    def _next_message(self, session: Session) -> bytes | None:
        """The next message, made only now: until then the array is enough. `None` when the stream
        accepts no more."""
        with self._to_send:
            while session.accepts and not self._state.unsent:
                self._to_send.wait()
            if not session.accepts:
                return None
            message = self._state.take(session)
            starts = session.starts_sequence and self._sequence is not None
            session.starts_sequence = False
        return message() + START_BYTES if starts else message()

    # The thread that reads the responses.

    def _received(self, session: Session, data: bytes) -> None:
        response: Response | TransportError
        try:
            response = decode_stream(data, lambda key: self._placements.get(key, NOT_SHARED))
        except TransportError as error:
            response = error.with_traceback(None)  # whose stack frames would keep `data` alive
        with self._changed:
            if session is not self._state.session:
                return
            if isinstance(response, TransportError):
                completions = session.window.receive_malformed(response)
            else:
                completions = session.window.receive(response)
            if isinstance(response, Response) and sequence_is_lost(response.error):
                session.starts_sequence = True
            if self._first.awaited and session.window.answered and _has_responded(response):
                self._first.received()
                self._state.shorten(time.monotonic())
                self._changed.notify_all()
        complete(completions)

    def _ended(self, session: Session, code: grpc.StatusCode, details: str | None) -> None:
        with self._changed:
            if session is not self._state.session:
                return
            drained = code is grpc.StatusCode.OK and not session.accepts
            error = self._grpc_errors.stream_ended(code, details)
            completions = self._state.end(error, time.monotonic(), drained=drained)
            reported = error.condition in NOT_NOW and bool(completions)  # by the futures
            expected = drained or self._closing
            self._notify()
        if not expected and not reported:
            _log.warning("stream %d ended: %s", session.generation, error.message)
        complete(completions)

    # With the lock held.

    def _notify(self) -> None:
        self._to_send.notify_all()
        self._changed.notify_all()

    def _cancelled(self) -> TransportError:
        if self._closing:
            return self._grpc_errors.closed()
        return TransportError(
            f"the stream to {self._grpc_errors.address} was cancelled: an earlier frame got no"
            f" response within {self._spec.timeout:g} s",
            condition="interrupted",
        )


def _has_responded(response: Response | TransportError) -> bool:
    """Whether this is a response of the model: not that it accepts no requests now."""
    error = None if isinstance(response, TransportError) else response.error
    return error is None or of_text(error) not in NOT_NOW
