"""The formats in which a flow can send its picture, compared with the input of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from flowrun.inference import TensorInfo
from flowrun.kserve.contract.suggestions import yaml_lines
from flowrun.kserve.wire.tensors import BYTES, DATATYPES
from flowrun.spec.flow import TransportSpec

CHANNELS = 3
_DTYPES = {
    "uint8": "UINT8",
    "int8": "INT8",
    "uint16": "UINT16",
    "int16": "INT16",
    "int32": "INT32",
    "fp16": "FP16",
    "fp32": "FP32",
    "fp64": "FP64",
}
_RAW: dict[str, str | bool] = {"encoding": "raw", "dtype": "uint8", "layout": "HWC", "batch": False}
_JPEG = _RAW | {"encoding": "jpeg"}
_DIMENSIONS = 3
_SMALLEST = 5  # pixels; a fixed dimension below that is the channels

Size = tuple[int, int]  # width, height; -1 is any
Layout = Literal["HWC", "CHW"]


def fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    """Whether a tensor of this shape may be sent where `declared` (-1 is any size) is expected."""
    return len(shape) == len(declared) and all(
        allowed in (-1, size) for size, allowed in zip(shape, declared, strict=True)
    )


def is_known(tensor: TensorInfo) -> bool:
    """Whether the server reports the datatype of the tensor, and not only its name."""
    return tensor.datatype in (*DATATYPES, BYTES)


def suggest_changes(
    tensor: TensorInfo, spec: TransportSpec, sent: tuple[int, ...]
) -> tuple[str, str] | None:
    """The first key that keeps the flow's picture, sent in the shape `sent`, from fitting `tensor`,
    and the lines of YAML that correct all such keys at once, with the fewest changes; `None` if no
    picture fits."""
    formats = list(_formats(tensor, spec, sent))
    if not formats:
        return None
    keys, size = min(formats, key=lambda changes: len(changes[0]) + bool(changes[1]))
    key = f"transport.{next(iter(keys))}" if keys else "transport.input"
    condition = "if it decodes pictures, " if keys.get("encoding") == "jpeg" else ""
    return key, condition + yaml_lines(keys, size)


def _formats(
    tensor: TensorInfo, spec: TransportSpec, sent: tuple[int, ...]
) -> Iterator[tuple[dict[str, str | bool], Size | None]]:
    """What to change, for every format that fits: keys of `transport`, and the picture's size."""
    if tensor.datatype == BYTES:
        if not tensor.shape or fits((1,), tensor.shape):
            yield _changes(_JPEG, spec), None
        return
    dtype = next((name for name, datatype in _DTYPES.items() if datatype == tensor.datatype), None)
    if dtype is None:
        return
    layouts: tuple[Layout, ...] = ("HWC", "CHW")
    for batch in (False, True):
        for layout in layouts:
            size = _size(tensor.shape or (-1,) * (_DIMENSIONS + batch), layout, batch)
            if size is not None:
                target = _RAW | {"dtype": dtype, "layout": layout, "batch": batch}
                yield _changes(target, spec), _resized(size, _sent_size(spec, sent))


def _changes(target: dict[str, str | bool], spec: TransportSpec) -> dict[str, str | bool]:
    return {key: value for key, value in target.items() if getattr(spec, key) != value}


def _size(shape: tuple[int, ...], layout: Layout, batch: bool) -> Size | None:
    """The size of the picture of this layout whose shape is `shape`; `None` if there is none."""
    if batch:
        if not shape or shape[0] not in (-1, 1):
            return None
        shape = shape[1:]
    if len(shape) != _DIMENSIONS:
        return None
    height, width, channels = shape if layout == "HWC" else (shape[1], shape[2], shape[0])
    if channels not in (-1, CHANNELS) or any(0 <= side < _SMALLEST for side in (width, height)):
        return None
    return width, height


def _sent_size(spec: TransportSpec, sent: tuple[int, ...]) -> Size:
    """The size of the picture that was sent; unknown if it is compressed."""
    return _size(sent, spec.layout, spec.batch) or (-1, -1)


def _resized(expected: Size, sent: Size) -> Size | None:
    """The size that the picture must be resized to, if it differs from its own."""
    width, height = (e if e != -1 else s for e, s in zip(expected, sent, strict=True))
    return None if (width, height) == sent or -1 in (width, height) else (width, height)
