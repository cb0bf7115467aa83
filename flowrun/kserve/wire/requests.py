"""Encode requests of KServe v2. No other module builds these messages.

protobuf encodes all but the raw contents of the tensors, which it would copy twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.inference import NOT_SHARED, Parameter, Place, Placement, Request, Tensor
from flowrun.kserve.wire.fields import field_header
from flowrun.kserve.wire.tensors import datatype_of, from_raw, to_raw

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_MAX_SIZE = 2**31 - 1  # bytes of a message, by protobuf
_RAW_INPUTS = 7  # the last field of ModelInferRequest


def pieces(
    model: str,
    version: str | None,
    request_id: str,
    inputs: Mapping[str, Tensor],
    parameters: Mapping[str, Parameter],
    placement: Placement = NOT_SHARED,
    outputs: Sequence[str] = (),
) -> list[bytes | memoryview]:
    """The parts of a ModelInferRequest, for `join`: a contiguous array is one of them, not a copy,
    and one in shared memory is only referred to. Without `outputs` the server sends all.

    Raises `TransportError` for what the protocol cannot carry.
    """
    message = pb.ModelInferRequest(model_name=model, model_version=version or "", id=request_id)
    for name, value in parameters.items():
        _set(message.parameters[name], name, value)
    contents: list[bytes | memoryview] = []
    for name, array in inputs.items():
        datatype = datatype_of(array)
        tensor = message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        if name in placement.inputs:
            _refer_to(tensor, placement.inputs[name])
            continue
        raw = to_raw(array, datatype)
        contents += (field_header(_RAW_INPUTS, len(raw)), raw)
    for name in placement.outputs or outputs:
        output, place = message.outputs.add(name=name), placement.outputs.get(name)
        if place is not None:
            _refer_to(output, place)
    parts = [message.SerializeToString(), *contents]  # in the order of their numbers
    if (size := sum(map(len, parts))) > _MAX_SIZE:
        raise TransportError(f"the request cannot be sent: it has {size} bytes (2 GiB at most)")
    return parts


def join(pieces: Sequence[bytes | memoryview], request: Request) -> bytes:
    """The message of `request`, whose `pieces` these are. If the request is releasable, views of
    the message replace its arrays, so that their elements are in memory only once."""
    message = b"".join(pieces)
    if request.releasable and request.placement is NOT_SHARED:
        inputs, end = dict(request.inputs), len(pieces[0])
        for name, header, raw in zip(request.inputs, pieces[1::2], pieces[2::2], strict=True):
            begin = end + len(header)
            end = begin + len(raw)
            if isinstance(raw, memoryview):  # all but BYTES
                array, view = inputs[name], memoryview(message)[begin:end]
                inputs[name] = from_raw(view, datatype_of(array), array.shape)
        request.inputs = inputs
    return message


def parameter_bytes(parameters: Mapping[str, Parameter]) -> bytes:
    """What adds `parameters` to the message of a request, at its end: protobuf merges the two."""
    message = pb.ModelInferRequest()
    for name, value in parameters.items():
        _set(message.parameters[name], name, value)
    return bytes(message.SerializeToString())


def _set(slot: Any, name: str, value: Parameter) -> None:
    if isinstance(value, bool):
        slot.bool_param = value
    elif isinstance(value, str):
        slot.string_param = value
    elif isinstance(value, float):
        slot.double_param = value
    elif value in _INT64:
        slot.int64_param = value
    elif value in _UINT64:
        slot.uint64_param = value
    else:
        raise TransportError(
            f"{value} does not fit into 64 bits", key=f"transport.parameters.{name}"
        )


def _refer_to(tensor: Any, place: Place) -> None:
    region, memory = place
    tensor.parameters["shared_memory_region"].string_param = region
    tensor.parameters["shared_memory_byte_size"].int64_param = len(memory)
    tensor.parameters["shared_memory_offset"].int64_param = 0
