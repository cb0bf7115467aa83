"""The KServe v2 calls, as OpenVINO Model Server and Triton answer them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.kserve.server.invocation import RefusedError, construct, dispose, invalid, run
from flowrun.kserve.server.messages import VERSION, Request, Response, read_inputs, response
from flowrun.kserve.server.models import Infer, Model
from flowrun.kserve.wire.parameters import ENABLE_FINAL, FINAL, TIMESTAMP
from flowrun.kserve.wire.tensor_info import TensorInfo

SERVICE = "inference.GRPCInferenceService"
SERVER_NAME = "flowrun"


class Servicer:
    """Answers the calls, each on the thread that gRPC gives it.

    A stream has an instance of the model to itself and is answered in the order of its requests.
    All unary calls of a model share one instance, which serves one of them at a time. An instance
    that is gone ends its stream, or is made anew for the next unary call.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = dict(models)
        self._closed = threading.Event()
        self._shared = {name: _Shared(model, self._closed) for name, model in models.items()}

    def close(self) -> None:
        """Close the instances that unary calls share, unless one of them is still in use. Streams
        close their own when they end. A call that fails from now on ends as UNAVAILABLE, for it may
        fail because of this: so call it before anything that the models need is closed."""
        self._closed.set()
        for shared in self._shared.values():
            shared.close()

    def handler(self) -> grpc.GenericRpcHandler:
        """What a `grpc.Server` needs to know."""
        unary = {
            "ServerLive": self.server_live,
            "ServerReady": self.server_ready,
            "ServerMetadata": self.server_metadata,
            "ModelReady": self.model_ready,
            "ModelMetadata": self.model_metadata,
            "RepositoryIndex": self.repository_index,
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                call,
                request_deserializer=getattr(pb, f"{name}Request").FromString,
                response_serializer=getattr(pb, f"{name}Response").SerializeToString,
            )
            for name, call in unary.items()
        }
        handlers["ModelInfer"] = grpc.unary_unary_rpc_method_handler(
            self.model_infer, request_deserializer=Request.read
        )
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
            self.model_stream_infer, request_deserializer=Request.read
        )
        return grpc.method_handlers_generic_handler(SERVICE, handlers)

    def server_live(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        return pb.ServerLiveResponse(live=True)

    def server_ready(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        return pb.ServerReadyResponse(ready=True)

    def server_metadata(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        return pb.ServerMetadataResponse(name=SERVER_NAME, version=VERSION)

    def repository_index(self, _request: Any, _context: grpc.ServicerContext) -> Any:
        index = pb.RepositoryIndexResponse()
        for name in self._models:
            index.models.add(name=name, version=VERSION, state="READY")
        return index

    def model_ready(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            self._find(request.name, request.version)
        except RefusedError as refused:
            context.abort(refused.code, refused.text)
        return pb.ModelReadyResponse(ready=True)

    def model_metadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        try:
            model = self._find(request.name, request.version)
        except RefusedError as refused:
            context.abort(refused.code, refused.text)
        return pb.ModelMetadataResponse(
            name=model.name,
            versions=[VERSION],
            platform=SERVER_NAME,
            inputs=[_metadata(given) for given in model.inputs],
            outputs=[_metadata(output) for output in model.outputs],
        )

    def model_infer(self, request: Request, context: grpc.ServicerContext) -> bytes:
        asked = request.message
        answer: Response | None = None
        try:
            model = self._find(asked.model_name, asked.model_version)
            inputs = read_inputs(model, request)
            with self._shared[model.name] as infer:
                outputs = run(model, infer, inputs)
            if outputs:
                answer = response(model, request, outputs)
        except RefusedError as refused:
            self._abort(context, refused)
        if answer is None:
            context.abort(grpc.StatusCode.ABORTED, f"model {model.name!r} has no answer to this")
        return answer.unary()

    def model_stream_infer(
        self, requests: Iterator[Request], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        session: _Session | None = None
        try:
            for request in requests:
                asked = request.message
                try:
                    if session is None:
                        model = self._find(asked.model_name, asked.model_version)
                        session = _Session(model, self._closed)
                    answer = session.answer(request)
                except RefusedError as refused:  # what a stream does not survive
                    self._abort(context, refused)
                if answer is not None:
                    yield answer
        finally:
            if session is not None:
                session.close()

    def _abort(self, context: grpc.ServicerContext, refused: RefusedError) -> NoReturn:
        if self._closed.is_set():
            refused = _shutting_down()
        context.abort(refused.code, refused.text)

    def _find(self, name: str, version: str) -> Model:
        model = self._models.get(name)
        if model is None:
            served = ", ".join(map(repr, self._models))
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND, f"there is no model {name!r}; served are {served}"
            )
        if version not in ("", VERSION):
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND,
                f"model {name!r} has no version {version!r}, only {VERSION!r}",
            )
        return model


class _Shared:
    """One instance for many threads, made at its first use; entered by one thread at a time, and
    by none after the server has `closed`."""

    def __init__(self, model: Model, closed: threading.Event) -> None:
        self._model = model
        self._closed = closed
        self._lock = threading.Lock()
        self._infer: Infer | None = None

    def __enter__(self) -> Infer:
        self._lock.acquire()
        try:
            self._infer = self._instance()
        except BaseException:
            self._lock.release()
            raise
        return self._infer

    def __exit__(self, _kind: object, raised: object, _trace: object) -> None:
        if isinstance(raised, RefusedError) and raised.gone:
            self._infer = None
        self._lock.release()

    def _instance(self) -> Infer:
        if self._closed.is_set():
            raise _shutting_down()
        return self._infer or construct(self._model)

    def close(self) -> None:
        if self._infer is not None and self._lock.acquire(blocking=False):
            dispose(self._model, self._infer)
            self._infer = None
            self._lock.release()


class _Session:
    """One stream: its model, an instance of it, and the last timestamp."""

    def __init__(self, model: Model, closed: threading.Event) -> None:
        if closed.is_set():
            raise _shutting_down()
        self._model = model
        self._closed = closed
        self._infer = construct(model)
        self._last: int | None = None

    def answer(self, request: Request) -> bytes | None:
        """The message that answers `request`, an in-stream error included, or `None`.

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
            if refused.gone or self._closed.is_set():
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


def _shutting_down() -> RefusedError:
    return RefusedError(grpc.StatusCode.UNAVAILABLE, "the server is shutting down")


def _timestamp(request: Any) -> int | None:
    if TIMESTAMP not in request.parameters:
        return None
    parameter = request.parameters[TIMESTAMP]
    kind = parameter.WhichOneof("parameter_choice")
    if kind != "int64_param":
        raise invalid(f"parameter {TIMESTAMP} must be int64_param, got {kind or 'nothing'}")
    return int(parameter.int64_param)


def _error(request: Any, text: str) -> bytes:
    """An in-stream error that says, as Triton's do, which request it is about."""
    about = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
    if TIMESTAMP in request.parameters:
        about.parameters[TIMESTAMP].CopyFrom(request.parameters[TIMESTAMP])
    return Response(about).in_stream(text)


def _metadata(tensor: TensorInfo) -> Any:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
    )
