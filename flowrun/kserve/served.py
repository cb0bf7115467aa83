"""One request against one model: from protobuf to the callable and back.

The only place where the embedded server knows how tensors lie in messages.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
from tritonclient.grpc import service_pb2 as pb
from tritonclient.utils import np_to_triton_dtype, serialize_byte_tensor

from flowrun.dotted import raised_at
from flowrun.kserve.models import Infer, Model

VERSION = "1"  # every model has this one version

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A request that cannot be answered. A unary call ends with `code`; a stream goes on, with the
    text as an in-stream error, unless whoever catches it decides otherwise."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def invalid(text: str) -> RefusedError:
    return RefusedError(grpc.StatusCode.INVALID_ARGUMENT, text)


def construct(model: Model) -> Infer:
    """The model's callable, made anew. Raises `RefusedError` if the user's constructor raises."""
    try:
        return model.make()
    except (Exception, SystemExit) as error:
        _log.debug("constructing model %r", model.name, exc_info=error)
        raise RefusedError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"model {model.name!r} could not be constructed: {_described(error)}",
        ) from error


def run(model: Model, infer: Infer, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    """Call the model on this thread. Its outputs by name; empty if it answered `None`."""
    try:
        answer: object = infer(image)
    except (Exception, SystemExit) as error:  # the latter would leave the call open for ever
        _log.debug("running model %r", model.name, exc_info=error)
        raise RefusedError(
            grpc.StatusCode.INTERNAL, f"model {model.name!r} raised {_described(error)}"
        ) from error
    if answer is None:
        return {}
    outputs = answer if isinstance(answer, Mapping) else {model.outputs[0].name: answer}
    for name, array in outputs.items():
        if not isinstance(array, np.ndarray) or np_to_triton_dtype(array.dtype) is None:
            what = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            raise RefusedError(
                grpc.StatusCode.INTERNAL,
                f"model {model.name!r} answered {what} as {name!r}; it must be a numpy array of"
                " numbers, booleans or bytes",
            )
    return dict(outputs)


def read_image(model: Model, request: Any) -> npt.NDArray[np.uint8]:
    """The request's one input, checked: a read-only view of the message's own bytes."""
    name = model.input.name
    names = [tensor.name for tensor in request.inputs]
    if names != [name]:
        got = ", ".join(map(repr, names)) or "none"
        raise invalid(f"model {model.name!r} takes one input, {name!r}; got {got}")
    (tensor,) = request.inputs
    shape = list(tensor.shape)
    if tensor.datatype != model.input.datatype:
        raise invalid(f"input {name!r} is {model.input.datatype}, got {tensor.datatype}")
    if not _fits(shape, model.input.shape):
        raise invalid(f"input {name!r} has the shape {list(model.input.shape)}, got {shape}")
    if len(request.raw_input_contents) != 1:
        count = len(request.raw_input_contents)
        raise invalid(f"input {name!r} must come as one entry of raw_input_contents, got {count}")
    raw = request.raw_input_contents[0]
    if len(raw) != math.prod(shape):
        raise invalid(
            f"input {name!r} of shape {shape} has {math.prod(shape)} bytes, got {len(raw)}"
        )
    return np.frombuffer(raw, np.uint8).reshape(shape)


def response(model: Model, request: Any, outputs: Mapping[str, npt.NDArray[Any]]) -> Any:
    """A ModelInferResponse with those of `outputs` that the request asks for (all, if it names
    none), under the request's id."""
    wanted = [tensor.name for tensor in request.outputs] or list(outputs)
    message = pb.ModelInferResponse(model_name=model.name, model_version=VERSION, id=request.id)
    for name in wanted:
        if name not in outputs:
            answered = ", ".join(map(repr, outputs))
            raise invalid(f"model {model.name!r} has no output {name!r}; it answered {answered}")
        array = outputs[name]
        message.outputs.add(name=name, datatype=np_to_triton_dtype(array.dtype), shape=array.shape)
        message.raw_output_contents.append(_raw(array))
    return message


def _fits(shape: list[int], declared: tuple[int, ...]) -> bool:
    return len(shape) == len(declared) and all(
        size > 0 and allowed in (-1, size) for size, allowed in zip(shape, declared, strict=True)
    )


def _raw(array: npt.NDArray[Any]) -> bytes:
    if array.dtype.kind in "OS":
        return bytes(serialize_byte_tensor(array).item()) if array.size else b""
    owner: object = array
    while isinstance(owner, np.ndarray):
        owner = owner.base
    if isinstance(owner, bytes) and len(owner) == array.nbytes and array.flags.c_contiguous:
        return owner  # the model answered what it was sent: no copy
    return array.tobytes()


def _described(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text} (at {raised_at(error)})"
