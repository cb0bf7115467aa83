"""The KServe v2 calls, with the behaviour of OpenVINO Model Server and Triton."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import grpc
from tritonclient.grpc import service_pb2 as pb

from flowrun.inference import TensorInfo
from flowrun.kserve.server.invocation import RefusedError, run, shutting_down
from flowrun.kserve.server.messages import VERSION, Request, Response, read_inputs, response
from flowrun.kserve.server.models import Model
from flowrun.kserve.server.shared_instance import SharedInstance
from flowrun.kserve.server.stream_session import StreamSession

SERVICE = "inference.GRPCInferenceService"
SERVER_NAME = "flowrun"


class Servicer:
    """Serves the calls, each on a thread of gRPC's executor.

    A stream has an instance of the model of its own, and its responses come in the order of its
    requests. All unary calls of a model share one instance, which serves one of them at a time. An
    unusable instance ends its stream; for unary calls a new one is constructed.
    """

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = dict(models)
        self._closed = threading.Event()
        self._shared = {name: SharedInstance(model, self._closed) for name, model in models.items()}

    def close(self) -> None:
        """Close the instances that unary calls share, unless they are in use. Streams close their
        own when they end. From now on a call that fails ends as UNAVAILABLE, as closing may be the
        cause: so call this before closing the models."""
        self._closed.set()
        for shared in self._shared.values():
            shared.close()

    def handler(self) -> grpc.GenericRpcHandler:
        """The handler to register with a `grpc.Server`."""
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
            context.abort(
                grpc.StatusCode.ABORTED,
                f"model {model.name!r} returned no response to this request",
            )
        return answer.unary()

    def model_stream_infer(
        self, requests: Iterator[Request], context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        session: StreamSession | None = None
        try:
            for request in requests:
                asked = request.message
                try:
                    if session is None:
                        model = self._find(asked.model_name, asked.model_version)
                        session = StreamSession(model, self._closed)
                    answer = session.respond(request)
                except RefusedError as refused:  # this ends the stream
                    self._abort(context, refused)
                if answer is not None:
                    yield answer
        finally:
            if session is not None:
                session.close()

    def _abort(self, context: grpc.ServicerContext, refused: RefusedError) -> NoReturn:
        if self._closed.is_set():
            refused = shutting_down()
        context.abort(refused.code, refused.text)

    def _find(self, name: str, version: str) -> Model:
        model = self._models.get(name)
        if model is None:
            served = ", ".join(map(repr, self._models))
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND, f"there is no model {name!r}; this server has {served}"
            )
        if version not in ("", VERSION):
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND,
                f"model {name!r} has no version {version!r}, only {VERSION!r}",
            )
        return model


def _metadata(tensor: TensorInfo) -> Any:
    return pb.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=tensor.datatype, shape=tensor.shape
    )
