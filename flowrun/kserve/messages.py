"""What a request sends to a model, checked, and the message with the model's answer.

The only place where the embedded server knows how tensors lie in messages.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError
from tritonclient.grpc import service_pb2 as pb

from flowrun.errors import TransportError
from flowrun.inference import Tensor
from flowrun.kserve.models import Model, TensorInfo
from flowrun.kserve.served import RefusedError, fits, invalid
from flowrun.kserve.tensors import BYTES, datatype_of, from_raw, to_raw

VERSION = "1"  # every model has this one version


def read_inputs(model: Model, request: Any) -> dict[str, Tensor]:
    """The request's inputs by name, checked: read-only views of the message's own bytes.

    A model takes exactly its inputs, in any order. One that is a picture may come as a JPEG or PNG
    (BYTES [1]). Raises `RefusedError`.
    """
    names = [tensor.name for tensor in request.inputs]
    if sorted(names) != sorted(tensor.name for tensor in model.inputs):
        got = ", ".join(map(repr, names)) or "none"
        raise invalid(f"model {model.name!r} takes {_listed(model.inputs)}; got {got}")
    raws = request.raw_input_contents
    if len(raws) != len(names):
        what = f"input {names[0]!r}" if len(names) == 1 else f"the {len(names)} inputs"
        entries = "one entry" if len(names) == 1 else f"{len(names)} entries"
        raise invalid(f"{what} must come as {entries} of raw_input_contents, got {len(raws)}")
    given = {tensor.name: (tensor, raw) for tensor, raw in zip(request.inputs, raws, strict=True)}
    return {declared.name: _read(declared, *given[declared.name]) for declared in model.inputs}


def response(model: Model, request: Any, outputs: Mapping[str, Tensor]) -> Any:
    """A ModelInferResponse with those of `outputs` that the request asks for (all, if it names
    none), under the request's id."""
    wanted = [tensor.name for tensor in request.outputs] or list(outputs)
    message = pb.ModelInferResponse(model_name=model.name, model_version=VERSION, id=request.id)
    for name in wanted:
        if name not in outputs:
            answered = ", ".join(map(repr, outputs))
            raise invalid(f"model {model.name!r} has no output {name!r}; it answered {answered}")
        array = outputs[name]
        datatype = datatype_of(array)
        message.outputs.add(name=name, datatype=datatype, shape=array.shape)
        try:
            message.raw_output_contents.append(_raw(array, datatype))
        except TransportError as error:
            raise RefusedError(
                grpc.StatusCode.INTERNAL,
                f"output {name!r} of model {model.name!r} cannot be sent: {error.message}",
            ) from error
    return message


def _listed(tensors: tuple[TensorInfo, ...]) -> str:
    names = ", ".join(repr(tensor.name) for tensor in tensors)
    return f"the inputs {names}" if len(tensors) > 1 else f"one input, {names}"


def _read(declared: TensorInfo, tensor: Any, raw: bytes) -> Tensor:
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
    # Pillow says SyntaxError for a broken PNG, and has an exception of its own for huge pictures.
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError) as error:
        raise invalid(f"input {name!r} cannot be decoded: {error}") from error
    array.flags.writeable = False
    return array


def _raw(array: Tensor, datatype: str) -> bytes:
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, bytes) and len(owner) == array.nbytes and array.flags.c_contiguous:
        return owner  # the model answered what it was sent: no copy
    return bytes(to_raw(array, datatype))
