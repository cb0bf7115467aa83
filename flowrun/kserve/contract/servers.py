"""What differs between the servers that speak KServe v2, by the name they give themselves."""

from __future__ import annotations

from typing import Literal

from flowrun.errors import ContractError
from flowrun.kserve.contract.suggestions import lines
from flowrun.kserve.wire.tensor_info import TensorInfo
from flowrun.spec.flow import TransportSpec

OVMS = "OpenVINO Model Server"
TRITON = "triton"
MLSERVER = "mlserver"
EMBEDDED = "flowrun"

TIMESTAMP = "OVMS_MP_TIMESTAMP"
FINAL = "triton_final_response"
WANTS_FINAL = "triton_enable_empty_final_response"

Correlation = Literal["timestamp", "id", "order"]


def correlation(spec: TransportSpec, server: str | None) -> Correlation:
    """How the answers in a stream are told apart. Raises `ContractError` for a way that the server
    does not have."""
    if spec.correlation == "id" and server in (OVMS, MLSERVER):
        raise ContractError(
            f"{server} does not repeat the id of each request in a stream",
            key="transport.correlation",
            hint=lines({"correlation": "auto"}),
        )
    if spec.correlation == "timestamp" and server in (TRITON, MLSERVER):
        raise ContractError(
            f"{server} does not repeat the timestamp of each request in a stream",
            key="transport.correlation",
            hint=lines({"correlation": "auto"}),
        )
    if spec.correlation != "auto":
        return spec.correlation
    if server == OVMS:
        return "timestamp"
    # Every answer in a stream of MLServer bears the id of the first request; its order is all.
    return "order" if server == MLSERVER else "id"


def decodes_pictures(server: str | None, tensor: TensorInfo) -> bool:
    """Whether the server makes the numbers of this input from a JPEG picture. OVMS does for inputs
    of four dimensions, the channels last; the embedded server for what it calls a picture."""
    shape = tensor.shape
    if server == OVMS:
        return not shape or (len(shape) == 4 and shape[3] in (-1, 3) and shape[1] != 3)  # noqa: PLR2004
    return server == EMBEDDED and tensor.datatype == "UINT8" and shape[2:] == (3,)


def takes_all_inputs(server: str | None) -> bool:
    """Whether the server refuses a request that leaves out one of the inputs of a model. (Not of a
    graph: in a stream each of its inputs takes packets of its own.)"""
    return server in (OVMS, EMBEDDED)


def says_when_it_is_done(server: str | None) -> bool:
    """Whether the server marks the last of 0…N answers in a stream, if it is asked to."""
    return server in (TRITON, EMBEDDED)


def aborts_for_nothing(server: str | None) -> bool:
    """Whether ABORTED to a unary call means that the model has nothing to say. So does a graph of
    OVMS whose demultiplexer found nothing, and the embedded server when a model answers `None`."""
    return server in (OVMS, EMBEDDED)
