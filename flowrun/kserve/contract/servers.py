"""Differences between the servers that support KServe v2, by the name in their metadata."""

from __future__ import annotations

from typing import Literal

from flowrun.errors import ContractError
from flowrun.inference import TensorInfo
from flowrun.kserve.contract.suggestions import yaml_lines
from flowrun.spec.flow import TransportSpec

OVMS = "OpenVINO Model Server"
TRITON = "triton"
MLSERVER = "mlserver"
EMBEDDED = "flowrun"

Correlation = Literal["timestamp", "id", "order"]


def correlation(spec: TransportSpec, server: str | None) -> Correlation:
    """How the responses of a stream are matched to requests. Raises `ContractError` for a way that
    the server does not support."""
    if spec.correlation == "id" and server in (OVMS, MLSERVER):
        raise ContractError(
            f"{server} does not repeat the id of each request in a stream",
            key="transport.correlation",
            hint=yaml_lines({"correlation": "auto"}),
        )
    if spec.correlation == "timestamp" and server in (TRITON, MLSERVER):
        raise ContractError(
            f"{server} does not repeat the timestamp of each request in a stream",
            key="transport.correlation",
            hint=yaml_lines({"correlation": "auto"}),
        )
    if spec.correlation != "auto":
        return spec.correlation
    if server == OVMS:
        return "timestamp"
    # In a stream, every response of MLServer has the id of the first request; only the order helps.
    return "order" if server == MLSERVER else "id"


def decodes_pictures(server: str | None, tensor: TensorInfo) -> bool:
    """Whether the server decodes a JPEG picture for this input. OVMS does for inputs of four
    dimensions, the channels last; the embedded server for UINT8 [height, width, 3]."""
    shape = tensor.shape
    if server == OVMS:
        return not shape or (len(shape) == 4 and shape[3] in (-1, 3) and shape[1] != 3)  # noqa: PLR2004
    return server == EMBEDDED and tensor.datatype == "UINT8" and shape[2:] == (3,)


def requires_all_inputs(server: str | None) -> bool:
    """Whether the server rejects a request that omits one of the inputs of a model. (Not of a
    graph: in a stream each of its inputs takes packets of its own.)"""
    return server in (OVMS, EMBEDDED)


def marks_final_response(server: str | None) -> bool:
    """Whether the server marks the last of 0…N responses in a stream, if it is asked to."""
    return server in (TRITON, EMBEDDED)


def aborts_without_result(server: str | None) -> bool:
    """Whether ABORTED for a unary call means that there is no result: from a graph of OVMS whose
    demultiplexer found nothing, and from the embedded server when a model returns `None`."""
    return server in (OVMS, EMBEDDED)
