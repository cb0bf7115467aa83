"""One stream of requests to an instance of a model of its own."""

from __future__ import annotations

import threading
import time
from typing import Any

from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.server.invocation import (
    RefusedError,
    construct,
    dispose,
    invalid,
    run,
    shutting_down,
)
from flowrun.kserve.server.messages import VERSION, Request, Response, read_inputs, response
from flowrun.kserve.server.models import Model
from flowrun.kserve.wire.parameters import ENABLE_FINAL, FINAL, TIMESTAMP


class StreamSession:
    """A model, an instance of it, and the last timestamp. Raises `RefusedError` if the instance
    cannot be constructed or the server has `closed`."""

    def __init__(self, model: Model, closed: threading.Event) -> None:
        if closed.is_set():
            raise shutting_down()
        self._model = model
        self._closed = closed
        self._infer = construct(model)
        self._last: int | None = None

    def respond(self, request: Request) -> bytes | None:
        """The response to `request`, which may be an in-stream error; `None` if there is none.

        Raises `RefusedError` if the stream must end.
        """
        asked = request.message
        try:
            given = _timestamp(asked)
            if asked.model_name != self._model.name:
                raise invalid(
                    f"this stream is for model {self._model.name!r};"
                    f" open another one for {asked.model_name!r}"
                )
            inputs = read_inputs(self._model, request)
        except RefusedError as refused:
            return _error(asked, refused.text)
        timestamp = self._advance(given)
        answer: Response | None = None
        try:
            outputs = run(self._model, self._infer, inputs)
            if outputs:
                answer = response(self._model, request, outputs)
        except RefusedError as refused:
            if refused.unusable or self._closed.is_set():
                raise
            return _error(asked, refused.text)
        wants_final = ENABLE_FINAL in asked.parameters and asked.parameters[ENABLE_FINAL].bool_param
        if answer is None:
            if not wants_final:
                return None
            answer = Response(
                pb.ModelInferResponse(
                    model_name=self._model.name, model_version=VERSION, id=asked.id
                )
            )
        answer.message.parameters[TIMESTAMP].int64_param = timestamp
        if wants_final:
            answer.message.parameters[FINAL].bool_param = True
        return answer.in_stream()

    def close(self) -> None:
        dispose(self._model, self._infer)

    def _advance(self, given: int | None) -> int:
        """The timestamp of this request: `given`, or the wall clock in microseconds."""
        last = self._last
        if given is None:
            now = time.time_ns() // 1000
            given = now if last is None else max(now, last + 1)
        elif last is not None and given <= last:
            raise invalid(
                f"{TIMESTAMP} must increase strictly within a stream, got {given} after {last}"
            )
        self._last = given
        return given


def _timestamp(request: Any) -> int | None:
    if TIMESTAMP not in request.parameters:
        return None
    parameter = request.parameters[TIMESTAMP]
    kind = parameter.WhichOneof("parameter_choice")
    if kind != "int64_param":
        raise invalid(f"parameter {TIMESTAMP} must be int64_param, got {kind or 'nothing'}")
    return int(parameter.int64_param)


def _error(request: Any, text: str) -> bytes:
    """An in-stream error with the name, id and timestamp of its request, as Triton sends them."""
    about = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
    if TIMESTAMP in request.parameters:
        about.parameters[TIMESTAMP].CopyFrom(request.parameters[TIMESTAMP])
    return Response(about).in_stream(text)
