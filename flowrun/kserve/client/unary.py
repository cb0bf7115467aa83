"""One unary call per request."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any

import grpc

from flowrun.errors import ContractError, TransportError
from flowrun.inference import Placement, Request, Result, new_future
from flowrun.kserve.client.connection import Connection
from flowrun.kserve.client.request_encoder import RequestEncoder
from flowrun.kserve.client.sequence import START, Sequence
from flowrun.kserve.conditions import NOT_NOW, sequence_is_lost
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.servers import aborts_without_result
from flowrun.kserve.wire.responses import decode

# A call that ends so many seconds before its deadline was ended by a server or a proxy.
_EARLY = 0.1


class UnaryTransport:
    """`ModelInfer` calls, as many at once as the caller has in flight, each with a deadline.

    gRPC's thread decodes the response and completes its future, nothing else.
    """

    def __init__(self, connection: Connection, model: ModelInfo) -> None:
        self.model = model
        self.encoder = RequestEncoder(connection.spec, model)
        self._connection = connection
        self._spec = connection.spec
        self._grpc_errors = connection.grpc_errors
        self._infer = connection.unary("ModelInfer")
        # With a sequence, the caller has one request in flight.
        self._sequence = Sequence() if self._spec.sequence else None
        self._starts_sequence = True
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._open: dict[Future[Result | None], Any] = {}
        self._closed = False
        self._sent = 0
        # How many calls had been made when the server was unavailable for the last time.
        self._sent_before: int | None = None
        self._reopened = 0

    @property
    def reopened(self) -> int:
        return self._reopened

    def submit(self, request: Request) -> Future[Result | None]:
        future = new_future()
        parameters = dict(self._spec.parameters)
        if self._sequence is not None:
            parameters.update(self._sequence.parameters(last=request.last))
            parameters.update(START if self._starts_sequence else {})
        try:
            message = self.encoder.encode(request, str(next(self._ids)), parameters)
        except (TransportError, ContractError) as error:
            future.set_exception(error)
            return future
        with self._lock:
            if self._closed:
                raise self._grpc_errors.closed()
            limit = self._connection.timeout
            first_by = time.monotonic() + limit if self._connection.first.awaited else None
            call = self._infer.future(message(), timeout=limit, metadata=self._connection.headers)
            self._open[future] = call
            self._sent += 1
            number = self._sent
        call.add_done_callback(partial(self._done, future, number, first_by, request.placement))
        return future

    def end_stream(self) -> None:
        """As `StreamTransport.end_stream`: there is none."""

    def close(self) -> None:
        with self._lock:
            self._closed = True
            calls = self._open
            self._open = {}
        for future, call in calls.items():
            call.cancel()
            future.set_exception(self._grpc_errors.closed())
        self._connection.channel.close()

    def _done(
        self,
        future: Future[Result | None],
        number: int,
        first_by: float | None,
        placement: Placement,
        call: Any,
    ) -> None:
        with self._lock:
            if self._open.pop(future, None) is None:
                return  # closed
        try:
            result = self._result(call, number, first_by, placement)
        except TransportError as error:
            # Its stack frames would keep shared memory alive as long as the error.
            future.set_exception(error.with_traceback(None))
        except Exception as error:  # a bug: the future carries its traceback
            failure = TransportError(f"the response could not be decoded: {error!r}")
            failure.__cause__ = error
            future.set_exception(failure)
        else:
            future.set_result(result)

    def _result(
        self, call: Any, number: int, first_by: float | None, placement: Placement
    ) -> Result | None:
        """`first_by` is when the model has to have responded, if this may be its first response."""
        code, first = call.code(), self._connection.first
        if code is grpc.StatusCode.OK:
            first.received()
            self._starts_sequence = False
            response = decode(call.result(), placement)
            if response.problem is not None:
                raise response.problem
            with self._lock:
                if self._sent_before is not None and number > self._sent_before:
                    self._reopened += 1
                    self._sent_before = None
            return Result(response.outputs, response.parameters) if response.outputs else None
        if code is grpc.StatusCode.ABORTED and aborts_without_result(self.model.server):
            first.received()
            return Result({}, responses=0)
        late = code is grpc.StatusCode.DEADLINE_EXCEEDED
        if late and first.awaited and first_by is not None and time.monotonic() > first_by - _EARLY:
            raise self._grpc_errors.first_deadline_exceeded(after_outage=first.after_outage)
        error = self._grpc_errors.failed(code, call.details())
        if not late and error.condition not in NOT_NOW:
            first.received()
        if error.condition in ("unavailable", "not ready") or sequence_is_lost(call.details()):
            self._starts_sequence = True
        if error.condition == "unavailable":
            with self._lock:
                self._sent_before = self._sent
        raise error
