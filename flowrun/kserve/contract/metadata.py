"""What the server says of itself and of the model, before the first frame."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import ContractError, DeadlineError, TransportError
from flowrun.kserve.contract.servers import TRITON
from flowrun.kserve.contract.suggestions import unknown
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.wire.tensor_info import TensorInfo
from flowrun.spec.flow import TransportSpec

LEAST = 2.0  # seconds to connect and ask; a frame may be allowed less
SERVICE = "/inference.GRPCInferenceService/"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of the model; `None` where the server does not say.

    Tensors may have the datatype "INVALID" and the shape (): then only their names are known.
    `server` is the server's name for itself, such as "triton". `decoupled`: one request may have
    any number of answers. `remarks` are what the user should hear of although it is no error.
    """

    name: str
    version: str | None = None
    server: str | None = None
    inputs: tuple[TensorInfo, ...] | None = None
    outputs: tuple[TensorInfo, ...] | None = None
    decoupled: bool = False
    remarks: tuple[str, ...] = ()

    def input(self, name: str) -> TensorInfo | None:
        return next((tensor for tensor in self.inputs or () if tensor.name == name), None)


def ask(
    channel: grpc.Channel,
    spec: TransportSpec,
    grpc_errors: GrpcErrors,
    headers: Sequence[tuple[str, str]] = (),
) -> ModelInfo:
    """Ask for readiness and metadata, within `spec.timeout` in all, or `LEAST` if that is longer.

    Raises `TransportError` if nothing answers and `ContractError` if the model is not there, not
    ready or not of the version asked for. A call that the server does not implement is passed
    over, with a remark.
    """
    return _Inquiry(channel, spec, grpc_errors, headers).model()


class _Inquiry:
    def __init__(
        self,
        channel: grpc.Channel,
        spec: TransportSpec,
        grpc_errors: GrpcErrors,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        self._channel = channel
        self._spec = spec
        self._grpc_errors = grpc_errors
        self._headers = tuple(headers)
        self._timeout = max(spec.timeout, LEAST)
        self._end = time.monotonic() + self._timeout
        self._remarks: list[str] = []

    def model(self) -> ModelInfo:
        name, version = self._spec.model, self._spec.version
        server_ready = self._server_ready()
        try:
            server = self._call("ServerMetadata")
        except grpc.RpcError as error:
            raise self._failed(error) from error
        try:
            metadata = self._call("ModelMetadata", name=name, version=version or "")
        except grpc.RpcError as error:
            raise self._missing(error) from error
        if not self._model_ready(server_ready):
            raise self._not_ready()
        if metadata is None:
            if server is None and server_ready is None and not self._infers():
                raise self._grpc_errors.other_server()
            self._remarks.append(
                f"{self._grpc_errors.address} does not say what its models take; the flow is not"
                " checked against it"
            )
            return ModelInfo(
                name, version, server.name if server else None, remarks=tuple(self._remarks)
            )
        if version and metadata.versions and version not in metadata.versions:
            raise self._wrong_version(metadata.versions)
        versions = list(metadata.versions)
        return ModelInfo(
            name=name,
            version=version or (versions[0] if len(versions) == 1 else None),
            server=server.name if server else None,
            inputs=_tensors(metadata.inputs),
            outputs=_tensors(metadata.outputs),
            decoupled=server is not None and server.name == TRITON and self._is_decoupled(),
            remarks=tuple(self._remarks),
        )

    def _is_decoupled(self) -> bool:
        try:
            answer = self._call("ModelConfig", name=self._spec.model, version=self._spec.version)
        except grpc.RpcError as error:
            raise self._failed(error) from error
        return answer is not None and bool(answer.config.model_transaction_policy.decoupled)

    def _infers(self) -> bool:
        """Whether the server knows the call that takes the frames; asked without a frame."""
        unary = self._spec.mode == "unary"
        call: Any = self._channel.stream_stream(
            SERVICE + ("ModelInfer" if unary else "ModelStreamInfer"),
            request_serializer=None,
            response_deserializer=None,
        )
        nothing = iter([b""] if unary else [])  # a request without model and inputs
        left = max(0.001, self._end - time.monotonic())
        try:
            for _ in call(nothing, timeout=left, metadata=self._headers):
                pass
        except grpc.RpcError as error:
            return error.code() is not grpc.StatusCode.UNIMPLEMENTED
        return True

    def _server_ready(self) -> bool | None:
        """Raises `TransportError` if nothing answers. `None`: the server does not say."""
        try:
            answer = self._call("ServerReady")
        except grpc.RpcError as error:
            raise self._failed(error) from error
        return None if answer is None else bool(answer.ready)

    def _model_ready(self, server_ready: bool | None) -> bool:
        try:
            answer = self._call("ModelReady", name=self._spec.model, version=self._spec.version)
        except grpc.RpcError as error:
            raise self._missing(error) from error
        if answer is None:
            return server_ready is not False
        if answer.ready and server_ready is False:  # another model may be the reason
            self._remarks.append(f"{self._grpc_errors.address} says that it is not ready")
        return bool(answer.ready)

    def _missing(self, error: grpc.RpcError) -> ContractError | TransportError:
        """Why the server does not speak of the model."""
        code = error.code()
        if code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAUTHENTICATED):
            return self._failed(error)
        name = self._spec.model
        index = self._index()
        states = [model for model in index if model.name == name]
        if self._spec.version and (not index or states):
            try:
                metadata = self._call("ModelMetadata", name=name)
            except grpc.RpcError:
                metadata = None
            if metadata is not None:
                return self._wrong_version(metadata.versions)
        if states:
            return self._not_ready(states)
        if index:
            names = sorted({model.name for model in index})
            return unknown("the server has no model", name, names, "transport.model")
        if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL):
            said = self._grpc_errors.quoted(error.details() or "")
            return ContractError(
                f"the server has no model {name!r}" + (f" (it says: {said})" if said else ""),
                key="transport.model",
            )
        return self._failed(error)

    def _failed(self, error: grpc.RpcError) -> TransportError:
        code = error.code()
        if code is not grpc.StatusCode.DEADLINE_EXCEEDED:
            return self._grpc_errors.failed(code, error.details())
        return DeadlineError(
            f"nothing answers at {self._grpc_errors.address} within {self._timeout:g} s",
            code=code.name,
            key="transport.address",
            hint="see whether a firewall is in the way, or the server is busy",
        )

    def _not_ready(self, states: Sequence[Any] | None = None) -> ContractError:
        name = self._spec.model
        if states is None:
            states = [model for model in self._index() if model.name == name]
        why = "; ".join(self._grpc_errors.quoted(each.reason) for each in states if each.reason)
        return ContractError(
            f"model {name!r} is not ready" + (f" (the server says: {why})" if why else ""),
            key="transport.model",
            hint="wait until it is loaded, or see the server's log",
        )

    def _wrong_version(self, versions: Sequence[str]) -> ContractError:
        return unknown(
            f"model {self._spec.model!r} has no version",
            str(self._spec.version),
            list(versions),
            "transport.version",
        )

    def _index(self) -> list[Any]:
        """The server's models; empty if it does not tell."""
        try:
            answer = self._call("RepositoryIndex")
        except grpc.RpcError:  # a courtesy: the error that it was to explain is raised anyway
            return []
        return list(answer.models) if answer is not None else []

    def _call(self, method: str, **fields: Any) -> Any:
        """The server's answer; `None` if it does not implement the call. Raises `RpcError`."""
        call: Any = self._channel.unary_unary(
            SERVICE + method,
            request_serializer=getattr(pb, f"{method}Request").SerializeToString,
            response_deserializer=None,
        )
        left = max(0.001, self._end - time.monotonic())
        try:
            data = call(
                getattr(pb, f"{method}Request")(**fields), timeout=left, metadata=self._headers
            )
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            if "http2 header" in (error.details() or "").lower():
                raise self._grpc_errors.unreachable(error.details()) from error
            return None
        try:
            return getattr(pb, f"{method}Response").FromString(data)
        except DecodeError as error:
            raise TransportError(
                f"{self._grpc_errors.address} does not speak KServe v2: its answer to {method}"
                " cannot be read",
                key="transport.address",
            ) from error


def _tensors(declared: Any) -> tuple[TensorInfo, ...] | None:
    """`None` if nothing is declared, for there is no model without a tensor."""
    return tuple(TensorInfo(t.name, t.datatype, tuple(t.shape)) for t in declared) or None
