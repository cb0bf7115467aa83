"""Ask a server for its metadata and the model's, before the first frame."""

from __future__ import annotations

from typing import Any

import grpc

from flowrun.inference import TensorInfo
from flowrun.kserve.client.connection import Connection
from flowrun.kserve.client.metadata_calls import MetadataCalls
from flowrun.kserve.client.missing_model import not_ready, why_missing, wrong_version
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.contract.servers import TRITON


def fetch_model_info(connection: Connection) -> ModelInfo:
    """Ask for readiness and metadata, within `transport.timeout` in all, 2 s at least.

    Raises `TransportError` if there is no response and `ContractError` if the model is missing, not
    ready or not of the version asked for. A call that the server does not implement is skipped,
    with a remark.
    """
    calls = MetadataCalls(connection)
    spec, address = connection.spec, connection.grpc_errors.address
    remarks: list[str] = []
    server_ready = _server_ready(calls)
    try:
        server = calls.ask("ServerMetadata")
    except grpc.RpcError as error:
        raise calls.failed(error) from error
    try:
        model = calls.ask("ModelMetadata", name=spec.model, version=spec.version or "")
        model_ready = _model_ready(calls)
    except grpc.RpcError as error:
        raise why_missing(calls, error) from error
    if model_ready is False or (model_ready is None and server_ready is False):
        raise not_ready(calls)
    if model_ready and server_ready is False:  # because of another model, perhaps
        remarks.append(f"the server at {address} reports that it is not ready")
    server_name = server.name if server else None
    config = _config(calls) if server_name == TRITON else None
    if model is None:
        if server is None and server_ready is None and not calls.implements_inference():
            raise connection.grpc_errors.unsupported_server()
        remarks.append(
            f"the server at {address} has no model metadata; the flow is not checked against it"
        )
        return ModelInfo(
            spec.model,
            spec.version,
            server_name,
            remarks=tuple(remarks),
            recorded=connection.recorded,
        )
    versions = list(model.versions)
    if spec.version and versions and spec.version not in versions:
        raise wrong_version(spec, versions)
    return ModelInfo(
        name=spec.model,
        version=spec.version or (versions[0] if len(versions) == 1 else None),
        server=server_name,
        inputs=_tensors(model.inputs),
        outputs=_tensors(model.outputs),
        decoupled=config is not None and config.model_transaction_policy.decoupled,
        stateful=config is not None and config.HasField("sequence_batching"),
        remarks=tuple(remarks),
        recorded=connection.recorded,
    )


def _server_ready(calls: MetadataCalls) -> bool | None:
    """`None` if the server does not implement the call. Raises `TransportError`."""
    try:
        response = calls.ask("ServerReady")
    except grpc.RpcError as error:
        raise calls.failed(error) from error
    return None if response is None else bool(response.ready)


def _model_ready(calls: MetadataCalls) -> bool | None:
    """`None` if the server does not implement the call. Raises `grpc.RpcError`."""
    spec = calls.connection.spec
    response = calls.ask("ModelReady", name=spec.model, version=spec.version)
    return None if response is None else bool(response.ready)


def _config(calls: MetadataCalls) -> Any:
    """Triton's configuration of the model; `None` if the server does not implement the call."""
    spec = calls.connection.spec
    try:
        response = calls.ask("ModelConfig", name=spec.model, version=spec.version)
    except grpc.RpcError as error:
        raise calls.failed(error) from error
    return None if response is None else response.config


def _tensors(declared: Any) -> tuple[TensorInfo, ...] | None:
    """`None` if nothing is declared: every model has a tensor."""
    return tuple(TensorInfo(t.name, t.datatype, tuple(t.shape)) for t in declared) or None
