"""Read and check the inputs of a request; write the outputs of a model into a response.

The only module of the embedded server that knows the layout of tensors in messages. protobuf reads
and writes everything but their raw contents, which it would copy twice each way.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.inference import Tensor, TensorInfo
from flowrun.kserve.server.invocation import RefusedError, fits, invalid
from flowrun.kserve.server.models import Model
from flowrun.kserve.wire.fields import REQUEST, Splitter, field_header
from flowrun.kserve.wire.tensors import BYTES, datatype_of, from_raw, to_raw

VERSION = "1"  # every model has this one version
_RAW_INPUTS = 7  # the last field of ModelInferRequest
_RAW_OUTPUTS = 6  # the last field of ModelInferResponse
_RESPONSE = 2  # the last field of ModelStreamInferResponse


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A ModelInferRequest: `message` without the raw contents of its tensors, and these in
    `contents`, views of the received bytes."""

    message: Any
    contents: Sequence[memoryview]

    @classmethod
    def read(cls, data: bytes) -> Request:
        """Raises `MalformedMessageError` or protobuf's `DecodeError` for other bytes."""
        pieces, contents = Splitter().reduce(memoryview(data), REQUEST, _RAW_INPUTS)
        message = pb.ModelInferRequest.FromString(b"".join(pieces))
        del message.raw_input_contents[:]  # which are empty
        return cls(message, contents)


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """A ModelInferResponse: `message` without the raw contents of its tensors."""

    message: Any
    contents: Sequence[bytes | memoryview] = ()

    def unary(self) -> bytes:
        """The bytes of the response to a unary call."""
        return b"".join(self._pieces())

    def in_stream(self, error: str = "") -> bytes:
        """The bytes of a response in a stream, with the text of an `error`."""
        pieces = self._pieces()
        envelope = pb.ModelStreamInferResponse(error_message=error).SerializeToString()
        return b"".join([envelope, field_header(_RESPONSE, sum(map(len, pieces))), *pieces])

    def _pieces(self) -> list[bytes | memoryview]:
        pieces: list[bytes | memoryview] = [self.message.SerializeToString()]
        for raw in self.contents:
            pieces += (field_header(_RAW_OUTPUTS, len(raw)), raw)
        return pieces


def read_inputs(model: Model, request: Request) -> dict[str, Tensor]:
    """The request's inputs by name, checked: read-only views of the received bytes.

    A request must have exactly the model's inputs, in any order. An input that is a picture may be
    a JPEG or PNG (BYTES [1]). Raises `RefusedError`.
    """
    tensors, raws = request.message.inputs, request.contents
    names = [tensor.name for tensor in tensors]
    if sorted(names) != sorted(tensor.name for tensor in model.inputs):
        got = ", ".join(map(repr, names)) or "none"
        raise invalid(f"model {model.name!r} takes {_listed(model.inputs)}; got {got}")
    if len(raws) != len(names):
        what = f"input {names[0]!r}" if len(names) == 1 else f"the {len(names)} inputs"
        entries = "one entry" if len(names) == 1 else f"{len(names)} entries"
        raise invalid(f"{what} must have {entries} in raw_input_contents, got {len(raws)}")
    given = {tensor.name: (tensor, raw) for tensor, raw in zip(tensors, raws, strict=True)}
    return {declared.name: _read(declared, *given[declared.name]) for declared in model.inputs}


def response(model: Model, request: Request, outputs: Mapping[str, Tensor]) -> Response:
    """The response with those of `outputs` that the request names (all, if it names none), and with
    the request's id. Raises `RefusedError`."""
    asked = request.message
    wanted = [tensor.name for tensor in asked.outputs] or list(outputs)
    message = pb.ModelInferResponse(model_name=model.name, model_version=VERSION, id=asked.id)
    contents: list[bytes | memoryview] = []
    for name in wanted:
        if name not in outputs:
            returned = ", ".join(map(repr, outputs))
            raise invalid(f"model {model.name!r} has no output {name!r}; it returned {returned}")
        array = outputs[name]
        datatype = datatype_of(array)
        message.outputs.add(name=name, datatype=datatype, shape=array.shape)
        try:
            contents.append(to_raw(array, datatype))
        except TransportError as error:
            raise RefusedError(
                grpc.StatusCode.INTERNAL,
                f"output {name!r} of model {model.name!r} cannot be sent: {error.message}",
            ) from error
    return Response(message, contents)


def _listed(tensors: tuple[TensorInfo, ...]) -> str:
    names = ", ".join(repr(tensor.name) for tensor in tensors)
    return f"the inputs {names}" if len(tensors) > 1 else f"one input, {names}"


def _read(declared: TensorInfo, tensor: Any, raw: memoryview) -> Tensor:
    name, shape = declared.name, tuple(tensor.shape)
    compressed = tensor.datatype == BYTES and declared.is_picture
    if tensor.datatype != declared.datatype and not compressed:
        raise invalid(f"input {name!r} is {declared.datatype}, got {tensor.datatype}")
    if not compressed:
        _check_shape(declared, shape)
    elif shape != (1,):
        raise invalid(f"input {name!r} takes one JPEG or PNG, {BYTES} [1], got {list(shape)}")
    try:
        array = from_raw(raw, tensor.datatype, shape)
    except TransportError as error:
        raise invalid(f"input {name!r} is malformed: {error.message}") from error
    if compressed:
        array = _decoded(name, array.item())
        _check_shape(declared, array.shape)
    return array


def _check_shape(declared: TensorInfo, shape: tuple[int, ...]) -> None:
    if declared.shape and not (fits(shape, declared.shape) and min(shape) > 0):
        raise invalid(
            f"input {declared.name!r} has the shape {list(declared.shape)}, got {list(shape)}"
        )


def _decoded(name: str, data: bytes) -> Tensor:
    """RGB, uint8, shape (height, width, 3)."""
    try:
        with Pillow.open(io.BytesIO(data), formats=("JPEG", "PNG")) as picture:
            array = np.asarray(picture.convert("RGB"))
    except UnidentifiedImageError as error:
        raise invalid(f"input {name!r} is neither JPEG nor PNG") from error
    # Pillow raises SyntaxError for a broken PNG, and DecompressionBombError for huge pictures.
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise invalid(f"input {name!r} cannot be decoded: {error}") from error
    array.flags.writeable = False
    return array
