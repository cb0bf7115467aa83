"""From a frame to a tensor for the model, and from a model's answer to a picture."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image as Pillow

from flowrun.errors import ContractError
from flowrun.frame import Image
from flowrun.inference import Request, Result, Tensor
from flowrun.spec.flow import Color, TransportSpec

_DTYPES: dict[str, Any] = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}
_HINT = "a postprocess hook can make a picture of it"
CHANNELS = 3
QUALITY = 90  # of a JPEG, of 100: on footage a thirtieth of the bytes at 46 dB


def is_picture(array: Any) -> bool:
    """Whether `array` is what `Frame.image` has to be: uint8, (height, width, 3), not empty."""
    return (
        isinstance(array, np.ndarray)
        and array.dtype == np.uint8
        and array.ndim == CHANNELS
        and array.shape[2] == CHANNELS
        and array.size > 0
    )


def to_request(image: Image, spec: TransportSpec, color: Color) -> Request:
    """The picture, whose channels are in the order of `color`, for the input that takes it."""
    return Request({spec.input or "": to_tensor(image, spec, color)})


def to_tensor(image: Image, spec: TransportSpec, color: Color) -> Tensor:
    """The picture as `dtype`, `layout` and `batch` of the flow say; the same array if they say
    uint8, HWC and no batch. Values stay 0 to 255.

    With `encoding: jpeg` one element, the compressed picture, of shape (1,): a JPEG has true
    colours, whatever the order of `image`'s channels.
    """
    if spec.encoding == "jpeg":
        compressed = np.empty(1, object)
        compressed[0] = _jpeg(image[:, :, ::-1] if color == "bgr" else image)
        return compressed
    tensor: Tensor = image.transpose(2, 0, 1) if spec.layout == "CHW" else image
    if spec.dtype != "uint8":  # as `image` is
        tensor = tensor.astype(_DTYPES.get(spec.dtype, spec.dtype))
    return tensor[None] if spec.batch else tensor


def to_picture(result: Result, spec: TransportSpec) -> Image:
    """The model's answer as a picture: `transport.output`, or its only output.

    Takes (height, width), (height, width, 1 or 3) or channels first where the flow says
    `layout: CHW`, with or without a leading 1; floats are rounded and clipped to 0…255. The result
    may be a read-only view. Raises `ContractError` naming `transport.output`.
    """
    name, tensor = _output(result, spec)
    picture = tensor[0] if tensor.ndim > CHANNELS and tensor.shape[0] == 1 else tensor
    if picture.ndim == CHANNELS and spec.layout == "CHW":
        picture = picture.transpose(1, 2, 0)
    if picture.ndim == CHANNELS - 1:
        picture = picture[:, :, None]
    if picture.ndim == CHANNELS and picture.shape[2] == 1:
        picture = np.broadcast_to(picture, (*picture.shape[:2], CHANNELS))
    if picture.dtype.kind == "f":
        picture = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    if not is_picture(picture):
        raise ContractError(
            f"{name!r} is {tensor.dtype} of shape {tuple(tensor.shape)}, which is no picture",
            key="transport.output",
            hint=_HINT,
        )
    return picture


def _jpeg(image: Image) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(np.ascontiguousarray(image)).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def _output(result: Result, spec: TransportSpec) -> tuple[str, Tensor]:
    if spec.output is not None:
        tensor = result.as_numpy(spec.output)
        if tensor is None:
            raise ContractError(
                f"the answer has no output {spec.output!r}, only {_names(result)}",
                key="transport.output",
            )
        return spec.output, tensor
    if len(result.outputs) != 1:
        raise ContractError(
            f"the answer has the outputs {_names(result)}; the flow does not say which one is the"
            " picture",
            key="transport.output",
            hint=f"name one of them, or: {_HINT}",
        )
    return next(iter(result.outputs.items()))


def _names(result: Result) -> str:
    return ", ".join(repr(name) for name in result.outputs) or "nothing"
