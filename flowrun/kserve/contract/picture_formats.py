"""The forms in which a flow can send its picture, against what a model takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from flowrun.kserve.contract.suggestions import lines
from flowrun.kserve.wire.tensor_info import TensorInfo
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
_SMALLEST = 5  # pixels; a dimension that a model fixes below that is one of channels

Size = tuple[int, int]  # width, height; -1 is any
Layout = Literal["HWC", "CHW"]


def fits(shape: tuple[int, ...], declared: tuple[int, ...]) -> bool:
    """Whether a tensor of this shape may be sent where `declared` (-1 is any size) is expected."""
    return len(shape) == len(declared) and all(
        allowed in (-1, size) for size, allowed in zip(shape, declared, strict=True)
    )


def is_known(tensor: TensorInfo) -> bool:
    """Whether the server says what the tensor is, and not only what it is called."""
    return tensor.datatype in (*DATATYPES, BYTES)


def mended(
    tensor: TensorInfo, spec: TransportSpec, sent: tuple[int, ...]
) -> tuple[str, str] | None:
    """The first key that keeps the flow's picture, sent in the shape `sent`, from fitting `tensor`,
    and the lines of YAML that mend all such keys at once, with the fewest changes; `None` if no
    picture fits."""
    forms = list(_forms(tensor, spec, sent))
    if not forms:
        return None
    keys, size = min(forms, key=lambda form: len(form[0]) + bool(form[1]))
    key = f"transport.{next(iter(keys))}" if keys else "transport.input"
    condition = "if it decodes pictures, " if keys.get("encoding") == "jpeg" else ""
    return key, condition + lines(keys, size)


def _forms(
    tensor: TensorInfo, spec: TransportSpec, sent: tuple[int, ...]
) -> Iterator[tuple[dict[str, str | bool], Size | None]]:
    """What to change, for every form that fits: keys of `transport`, and the picture's size."""
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
                form = _RAW | {"dtype": dtype, "layout": layout, "batch": batch}
                yield _changes(form, spec), _resized(size, _sent_size(spec, sent))


def _changes(form: dict[str, str | bool], spec: TransportSpec) -> dict[str, str | bool]:
    return {key: value for key, value in form.items() if getattr(spec, key) != value}


def _size(shape: tuple[int, ...], layout: Layout, batch: bool) -> Size | None:
    """The size of a picture of this layout that `shape` stands for, if it is one."""
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
    """The size of the picture that was sent; unknown of a compressed one."""
    return _size(sent, spec.layout, spec.batch) or (-1, -1)


def _resized(wanted: Size, sent: Size) -> Size | None:
    """The size that the picture must be brought to, if it is not the one that it has."""
    width, height = (want if want != -1 else had for want, had in zip(wanted, sent, strict=True))
    return None if (width, height) == sent or -1 in (width, height) else (width, height)
