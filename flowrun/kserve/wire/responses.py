"""Decode responses of KServe v2, whatever their bytes. No other module reads these messages.

protobuf decodes all but the raw contents of the tensors, which it would copy twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.inference import NOT_SHARED, Parameter, Place, Placement, Tensor
from flowrun.kserve.wire.fields import (
    MAX_FIELDS,
    RESPONSE,
    MalformedMessageError,
    Splitter,
    TooManyFieldsError,
)
from flowrun.kserve.wire.tensors import MAX_DIMENSIONS, from_contents, from_raw, size_of

_RAW_OUTPUTS = 6  # the last field of ModelInferResponse
_OWN = {3, 4, 5, _RAW_OUTPUTS}  # those with a number that ModelStreamInferResponse does not have
_IN_STREAM = 2  # the field of ModelStreamInferResponse with a ModelInferResponse
_MAX_ERROR = 4096  # characters of an error in a stream
_MAX_NAME = 60  # characters of a name in a message to the user


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """One message of the server.

    `id` is empty if the server did not send one. `error` is the text of an in-stream error.
    `problem` is why the outputs (read-only tensors by name) could not be decoded.
    """

    id: str = ""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    error: str | None = None
    outputs: Mapping[str, Tensor] = field(default_factory=dict)
    problem: TransportError | None = None


def decode(data: bytes, placement: Placement = NOT_SHARED) -> Response:
    """Decode the response to a unary call; its tensors are views of `data` or of shared memory.
    Raises `TransportError`, and nothing else, if it is not a ModelInferResponse or has more than
    `MAX_FIELDS` fields."""
    found = _parsed(data, _bare)
    if isinstance(found, TransportError):
        raise found
    return _response(*found, lambda _: placement)


def decode_stream(
    data: bytes, placement: Callable[[str], Placement] = lambda _: NOT_SHARED
) -> Response:
    """Decode one response of a stream, as `decode`; `placement` maps a request's id to its own.

    MLServer sends a bare ModelInferResponse where the protocol requires a ModelStreamInferResponse.
    """
    found = _parsed(data, _in_stream)
    if isinstance(found, TransportError):
        raise found
    return _response(*found, placement)


_Parsed = tuple[Any, Sequence[memoryview], str | None]  # message, raw contents, error


def _parsed(data: bytes, parse: Callable[[memoryview], _Parsed]) -> _Parsed | TransportError:
    """What `parse` returns, or the error. That is to be raised where no other one is handled, whose
    stack frames would keep `data` alive as long as the error."""
    try:
        return parse(memoryview(data))
    except TooManyFieldsError:
        why = f"that have more than {MAX_FIELDS} fields"
    except (MalformedMessageError, DecodeError):
        why = "that are not a valid response"
    return TransportError(f"the server sent {len(data)} bytes {why}", condition="malformed")


def _bare(data: memoryview) -> _Parsed:
    """Parse a ModelInferResponse: protobuf parses all of it but the raw contents, which are not
    copied."""
    pieces, raws = Splitter().reduce(data, RESPONSE, _RAW_OUTPUTS)
    return pb.ModelInferResponse.FromString(b"".join(pieces)), raws, None


def _in_stream(data: memoryview) -> _Parsed:
    """Parse a ModelStreamInferResponse. If protobuf would find no response in it, but in the same
    bytes a ModelInferResponse, it is one."""
    splitter = Splitter()
    try:
        pieces, raws = splitter.reduce_nested(data, {1: None}, _IN_STREAM, RESPONSE, _RAW_OUTPUTS)
        envelope = pb.ModelStreamInferResponse.FromString(b"".join(pieces))
    except TooManyFieldsError:
        raise
    except (MalformedMessageError, DecodeError):
        return _bare(data)
    message = envelope.infer_response
    if not message.ListFields() and splitter.numbers & _OWN:
        try:
            bare = _bare(data)
        except TooManyFieldsError:
            raise
        except (MalformedMessageError, DecodeError):
            pass
        else:
            if {field.number for field, _ in bare[0].ListFields()} & _OWN:
                return bare
    return message, raws, envelope.error_message[:_MAX_ERROR] or None


def _response(
    message: Any,
    raws: Sequence[memoryview],
    error: str | None,
    placement: Callable[[str], Placement],
) -> Response:
    parameters: dict[str, Parameter] = {}
    for name, value in message.parameters.items():
        kind = value.WhichOneof("parameter_choice")
        if kind is not None:
            parameters[name] = getattr(value, kind)
    try:
        outputs = _tensors(message, raws, placement(message.id))
    except TransportError as problem:
        problem.condition = "malformed"
        return Response(message.id, parameters, error, problem=problem.with_traceback(None))
    return Response(message.id, parameters, error, outputs)


def _tensors(message: Any, raws: Sequence[memoryview], placement: Placement) -> dict[str, Tensor]:
    if raws and len(raws) != len(message.outputs):
        raise TransportError(
            f"the response has {len(message.outputs)} outputs and {len(raws)} raw contents"
        )
    tensors: dict[str, Tensor] = {}
    for index, output in enumerate(message.outputs):
        raw = raws[index] if raws else None
        tensor = _tensor(output, raw, placement.outputs.get(output.name))
        if isinstance(tensor, TransportError):
            name = output.name[:_MAX_NAME]
            raise TransportError(
                f"output {name!r} is malformed: {tensor.message}", hint=tensor.hint
            )
        tensors[output.name] = tensor
    return tensors


def _tensor(output: Any, raw: memoryview | None, place: Place | None) -> Tensor | TransportError:
    """The tensor, or the error without its stack frames."""
    if len(output.shape) > MAX_DIMENSIONS:
        return TransportError(
            f"the shape has {len(output.shape)} dimensions, at most {MAX_DIMENSIONS} are supported"
        )
    shape = tuple(output.shape)
    try:
        if place is not None and not raw:  # empty: it is in shared memory
            raw = place[1][: size_of(output.datatype, shape)]
        if raw is not None:
            return from_raw(raw, output.datatype, shape)
        return from_contents(output.contents, output.datatype, shape)
    except TransportError as error:
        return error.with_traceback(None)
