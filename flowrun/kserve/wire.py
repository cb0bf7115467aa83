"""Requests to bytes, bytes to answers. Nothing else knows how a message is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError, EncodeError
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.inference import Parameter, Tensor
from flowrun.kserve.tensors import datatype_of, from_contents, from_raw, to_raw

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_LAST_STREAM_FIELD = 2  # of ModelStreamInferResponse; ModelInferResponse goes on


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One message of the server.

    `id` is empty if the server did not say. `error` is an in-stream error's text. `problem` says
    why the outputs (read-only tensors by name) could not be read.
    """

    id: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    error: str | None = None
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    problem: TransportError | None = None


def encode(
    model: str,
    version: str | None,
    request_id: str,
    inputs: Mapping[str, Tensor],
    parameters: Mapping[str, Parameter],
) -> bytes:
    """A ModelInferRequest. Raises `TransportError` for what the protocol cannot carry."""
    message = pb.ModelInferRequest(model_name=model, model_version=version or "", id=request_id)
    for name, value in parameters.items():
        _set(message.parameters[name], name, value)
    for name, array in inputs.items():
        datatype = datatype_of(array)
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_input_contents.append(to_raw(array, datatype))
    try:
        return bytes(message.SerializeToString())
    except (EncodeError, ValueError) as error:
        raise TransportError(f"the request cannot be sent: {error} (2 GiB at most)") from error


def decode(data: bytes) -> Answer:
    """The answer to a unary call. Raises `TransportError` if `data` is no ModelInferResponse."""
    return _answer(_parsed(pb.ModelInferResponse, data))


def decode_stream(data: bytes) -> Answer:
    """One answer in a stream; raises `TransportError` as `decode`.

    MLServer sends a bare ModelInferResponse where the protocol has a ModelStreamInferResponse.
    """
    if _has_field_beyond(data, _LAST_STREAM_FIELD):
        return decode(data)
    message = _parsed(pb.ModelStreamInferResponse, data)
    return _answer(message.infer_response, message.error_message or None)


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


def _parsed(kind: Any, data: bytes) -> Any:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise TransportError(f"the server sent {len(data)} bytes that are no answer") from error


def _answer(message: Any, error: str | None = None) -> Answer:
    parameters: dict[str, Parameter] = {}
    for name, value in message.parameters.items():
        kind = value.WhichOneof("parameter_choice")
        if kind is not None:
            parameters[name] = getattr(value, kind)
    try:
        return Answer(message.id, parameters, error, _tensors(message))
    except TransportError as problem:
        return Answer(message.id, parameters, error, problem=problem)


def _tensors(message: Any) -> dict[str, Tensor]:
    raws = message.raw_output_contents
    if raws and len(raws) != len(message.outputs):
        raise TransportError(
            f"the answer has {len(message.outputs)} outputs with {len(raws)} contents"
        )
    tensors: dict[str, Tensor] = {}
    for index, output in enumerate(message.outputs):
        shape = tuple(output.shape)
        try:
            tensors[output.name] = (
                from_raw(raws[index], output.datatype, shape)
                if raws
                else from_contents(output.contents, output.datatype, shape)
            )
        except TransportError as error:
            raise TransportError(
                f"output {output.name!r} is malformed: {error.message}", hint=error.hint
            ) from error
    return tensors


def _has_field_beyond(data: bytes, last: int) -> bool:
    """Whether the message has a field with a higher number; no more than a look at its tags."""
    position = 0
    try:
        while position < len(data):
            tag, position = _varint(data, position)
            if tag >> 3 > last:
                return True
            kind = tag & 7
            if kind == 0:
                _, position = _varint(data, position)
            elif kind == 2:  # noqa: PLR2004
                length, position = _varint(data, position)
                position += length
            else:
                position += {1: 8, 5: 4}[kind]
    except (IndexError, KeyError):  # cut short, or nonsense: whoever parses it will say so
        return False
    return False


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:  # noqa: PLR2004
            return value, position
        shift += 7
