"""Requests to bytes, bytes to answers. Nothing else knows how a message is built.

protobuf writes and reads everything but the raw contents of the tensors, which it would copy twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.inference import Parameter, Tensor
from flowrun.kserve.fields import UnreadableError, fields, head
from flowrun.kserve.tensors import datatype_of, from_contents, from_raw, to_raw

_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_LARGEST = 2**31 - 1  # bytes of a message, by protobuf
_RAW_INPUTS = 7  # the last field of ModelInferRequest
_RAW_OUTPUTS = 6  # the last field of ModelInferResponse
_ERROR, _RESPONSE = 1, 2  # the fields of ModelStreamInferResponse


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
    """A ModelInferRequest; the elements of an array that lies in one piece are copied once.

    Raises `TransportError` for what the protocol cannot carry.
    """
    message = pb.ModelInferRequest(model_name=model, model_version=version or "", id=request_id)
    for name, value in parameters.items():
        _set(message.parameters[name], name, value)
    contents: list[bytes | memoryview] = []
    for name, array in inputs.items():
        datatype = datatype_of(array)
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        raw = to_raw(array, datatype)
        contents += (head(_RAW_INPUTS, len(raw)), raw)
    pieces = [message.SerializeToString(), *contents]  # in the order of their numbers
    if (size := sum(map(len, pieces))) > _LARGEST:
        raise TransportError(f"the request cannot be sent: it has {size} bytes (2 GiB at most)")
    return b"".join(pieces)


def decode(data: bytes) -> Answer:
    """The answer to a unary call, its tensors views of `data`. Raises `TransportError` if that is
    no ModelInferResponse."""
    try:
        return _answer([memoryview(data)])
    except (UnreadableError, DecodeError) as error:
        raise _no_answer(data) from error


def decode_stream(data: bytes) -> Answer:
    """One answer in a stream, as `decode`.

    MLServer sends a bare ModelInferResponse where the protocol has a ModelStreamInferResponse.
    """
    try:
        envelope = list(fields(memoryview(data)))
        if any(each.number > _RESPONSE for each in envelope):
            return _answer([memoryview(data)])
        held = [(each.number, each.content) for each in envelope if each.content is not None]
        # What comes twice: the last text stands, and messages are merged, as if they were one.
        texts = [str(content, "utf-8") for number, content in held if number == _ERROR]
        responses = [content for number, content in held if number == _RESPONSE]
        return _answer(responses, texts[-1] or None if texts else None)
    except (UnreadableError, DecodeError, UnicodeDecodeError) as error:
        raise _no_answer(data) from error


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


def _no_answer(data: bytes) -> TransportError:
    return TransportError(f"the server sent {len(data)} bytes that are no answer")


def _answer(parts: Sequence[memoryview], error: str | None = None) -> Answer:
    """A ModelInferResponse that comes in `parts`: protobuf reads all of it but the raw contents,
    which stay where they are."""
    raws: list[memoryview] = []
    rest: list[memoryview] = []
    for part in parts:
        for each in fields(part):
            if each.number == _RAW_OUTPUTS and each.content is not None:
                raws.append(each.content)
            else:
                rest.append(each.whole)
    message = pb.ModelInferResponse.FromString(b"".join(rest))
    parameters: dict[str, Parameter] = {}
    for name, value in message.parameters.items():
        kind = value.WhichOneof("parameter_choice")
        if kind is not None:
            parameters[name] = getattr(value, kind)
    try:
        return Answer(message.id, parameters, error, _tensors(message, raws))
    except TransportError as problem:
        return Answer(message.id, parameters, error, problem=problem)


def _tensors(message: Any, raws: Sequence[memoryview]) -> dict[str, Tensor]:
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
