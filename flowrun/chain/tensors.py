"""Convert a picture to the model's input tensor, and an output tensor to a picture."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowrun.errors import ContractError
from flowrun.frame import Image
from flowrun.image.jpeg import encode_jpeg
from flowrun.inference import Request, Result, Tensor
from flowrun.spec.flow import Color, TransportSpec

_DTYPES: dict[str, Any] = {"fp16": np.float16, "fp32": np.float32, "fp64": np.float64}
_HINT = "use a postprocess hook to make a picture from it"
CHANNELS = 3
MAX_BYTES = 2**31 - 1  # of a message of gRPC
QUALITY = 90  # of a JPEG, of 100: on footage a thirtieth of the bytes at 46 dB


def is_picture(array: Any) -> bool:
    """Whether `array` is valid as `Frame.image`: uint8, (height, width, 3), not empty, not larger
    than a message."""
    return (
        isinstance(array, np.ndarray)
        and array.dtype == np.uint8
        and array.ndim == CHANNELS
        and array.shape[2] == CHANNELS
        and 0 < array.nbytes <= MAX_BYTES
    )


def to_request(image: Image, spec: TransportSpec, color: Color) -> Request:
    """A request with `image`, whose channels are in the order of `color`."""
    return Request({spec.input or "": to_tensor(image, spec, color)})


def to_tensor(image: Image, spec: TransportSpec, color: Color) -> Tensor:
    """Convert `image` to the flow's `dtype`, `layout` and `batch`; the same array for uint8, HWC
    and no batch. Values stay 0 to 255.

    With `encoding: jpeg` one element, the compressed picture, of shape (1,); its colours are
    correct for either order of channels.
    """
    if spec.encoding == "jpeg":
        compressed = np.empty(1, object)
        compressed[0] = encode_jpeg(image, color, QUALITY)
        return compressed
    tensor: Tensor = image.transpose(2, 0, 1) if spec.layout == "CHW" else image
    if spec.dtype != "uint8":  # as `image` is
        tensor = tensor.astype(_DTYPES.get(spec.dtype, spec.dtype))
    return tensor[None] if spec.batch else tensor


def to_picture(result: Result, spec: TransportSpec) -> Image:
    """Convert the output `transport.output`, or the only one, to a picture.

    Supports (height, width), (height, width, 1 or 3), or channels first with `layout: CHW`, with or
    without a leading 1; floats are rounded and clipped to 0…255. The picture may be a read-only
    view. Raises `ContractError` naming `transport.output`.
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
            f"{name!r} is {tensor.dtype} of shape {tuple(tensor.shape)}, which is not a picture",
            key="transport.output",
            hint=_HINT,
        )
    return picture


def _output(result: Result, spec: TransportSpec) -> tuple[str, Tensor]:
    if spec.picture is not None:
        tensor = result.as_numpy(spec.picture)
        if tensor is None:
            raise ContractError(
                f"the response has no output {spec.picture!r}, only {_names(result)}",
                key="transport.output",
            )
        return spec.picture, tensor
    if len(result.outputs) != 1:
        raise ContractError(
            f"the response has the outputs {_names(result)}; the flow does not set which one is"
            " the picture",
            key="transport.output",
            hint=f"name one of them, or {_HINT}",
        )
    return next(iter(result.outputs.items()))


def _names(result: Result) -> str:
    return ", ".join(repr(name) for name in result.outputs) or "nothing"
