"""Convert numpy arrays to KServe v2 tensors and back."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from flowrun.errors import TransportError
from flowrun.inference import Tensor

# datatype: (numpy's little-endian dtype, the field of InferTensorContents that may carry it)
DATATYPES: dict[str, tuple[np.dtype[Any], str]] = {
    "BOOL": (np.dtype("?"), "bool_contents"),
    "UINT8": (np.dtype("u1"), "uint_contents"),
    "UINT16": (np.dtype("<u2"), "uint_contents"),
    "UINT32": (np.dtype("<u4"), "uint_contents"),
    "UINT64": (np.dtype("<u8"), "uint64_contents"),
    "INT8": (np.dtype("i1"), "int_contents"),
    "INT16": (np.dtype("<i2"), "int_contents"),
    "INT32": (np.dtype("<i4"), "int_contents"),
    "INT64": (np.dtype("<i8"), "int64_contents"),
    "FP16": (np.dtype("<f2"), ""),  # the protocol has no field for it
    "FP32": (np.dtype("<f4"), "fp32_contents"),
    "FP64": (np.dtype("<f8"), "fp64_contents"),
}
BYTES = "BYTES"
_NAMES = {(dtype.kind, dtype.itemsize): name for name, (dtype, _) in DATATYPES.items()}
MAX_DIMENSIONS = 64  # of an array of numpy
MAX_ELEMENTS = 1_000_000  # of BYTES, each an object of its own
_LENGTH = struct.Struct("<I")
_MAX_SIZE = 2**63 - 1  # bytes of an array
_MAX_NAME = 60  # characters of a datatype in a message to the user


def datatype_of(array: Tensor) -> str:
    """The KServe datatype of `array`; BYTES for arrays of `bytes` or `str`.

    Raises `TransportError` for dtypes that the protocol does not have (complex numbers, dates, …).
    """
    dtype = array.dtype
    if dtype.kind in "OSU":
        return BYTES
    name = _NAMES.get((dtype.kind, dtype.itemsize))
    if name is None:
        raise TransportError(
            f"an array of {dtype} cannot be sent to a model",
            hint=f"convert it; the protocol supports {', '.join(DATATYPES)} and {BYTES}",
        )
    return name


def has_datatype(dtype: np.dtype[Any]) -> bool:
    """Whether the protocol has a datatype for arrays of `dtype`."""
    return dtype.kind in "OSU" or (dtype.kind, dtype.itemsize) in _NAMES


def to_raw(array: Tensor, datatype: str) -> bytes | memoryview:
    """The elements in row-major order, little-endian; each of BYTES preceded by its length. A view
    of the array if its memory has that form."""
    if datatype != BYTES:
        ordered = np.ascontiguousarray(array, DATATYPES[datatype][0])
        return ordered.reshape(-1).view(np.uint8).data
    pieces: list[bytes] = []
    for element in array.reshape(-1).tolist():
        if not isinstance(element, (bytes, str)):
            raise TransportError(
                f"an array of objects may hold bytes or str, not {type(element).__name__}"
            )
        data = element.encode() if isinstance(element, str) else element
        pieces += (_LENGTH.pack(len(data)), data)
    return b"".join(pieces)


def from_raw(raw: bytes | memoryview, datatype: str, shape: tuple[int, ...]) -> Tensor:
    """A read-only view of `raw`; BYTES become a new object array of `bytes`.

    Raises `TransportError` if `raw` does not match datatype and shape.
    """
    count = _count(shape)
    if datatype == BYTES:
        return _objects(_split(bytes(raw), count), shape)
    if len(raw) != (size := size_of(datatype, shape)):
        raise TransportError(f"{datatype} {list(shape)} needs {size} bytes, but has {len(raw)}")
    return _shaped(np.frombuffer(raw, _dtype(datatype)), shape)


def size_of(datatype: str, shape: tuple[int, ...]) -> int:
    """The bytes of a tensor that is not BYTES. Raises `TransportError` for any other datatype."""
    return _count(shape) * _dtype(datatype).itemsize


def from_contents(contents: Any, datatype: str, shape: tuple[int, ...]) -> Tensor:
    """The array in an `InferTensorContents`; read-only. Raises `TransportError` as `from_raw`."""
    count = _count(shape)
    if datatype == BYTES:
        return _objects(list(_counted(contents.bytes_contents, count, shape)), shape)
    dtype = _dtype(datatype)
    _, field = DATATYPES[datatype]
    if not field:  # MLServer sends raw bytes
        return from_raw(b"".join(contents.bytes_contents), datatype, shape)
    # The fields for small integers are wider than what they carry.
    widest = np.dtype(f"{dtype.kind}8") if dtype.kind in "ui" else dtype
    wide = np.fromiter(_counted(getattr(contents, field), count, shape), widest, count)
    array = wide.astype(dtype)
    if dtype.kind in "ui" and not np.array_equal(array, wide):
        raise TransportError(f"{datatype} {list(shape)} has values out of range")
    array.flags.writeable = False
    return _shaped(array, shape)


def _shaped(array: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`array` in a shape of as many elements."""
    sides = [size for size in shape if size]  # numpy counts with them if there is a 0, too
    if math.prod(sides) * array.itemsize <= _MAX_SIZE:
        try:
            return array.reshape(shape)
        except ValueError:  # numpy 1 has 32 dimensions
            pass
    raise TransportError(f"the shape {list(shape)} is not supported")


def _dtype(datatype: str) -> np.dtype[Any]:
    if datatype not in DATATYPES:
        raise TransportError(
            f"datatype {datatype[:_MAX_NAME]!r} is not supported",
            hint=f"flowrun supports {', '.join(DATATYPES)} and {BYTES}",
        )
    return DATATYPES[datatype][0]


def _count(shape: tuple[int, ...]) -> int:
    if any(size < 0 for size in shape):
        raise TransportError(f"the shape {list(shape)} is invalid")
    return math.prod(shape)


def _counted(values: Any, count: int, shape: tuple[int, ...]) -> Any:
    if len(values) != count:
        raise TransportError(
            f"the shape {list(shape)} needs {count} elements, but there are {len(values)}"
        )
    return values


def _split(raw: bytes, count: int) -> list[bytes]:
    elements: list[bytes] = []
    if count > MAX_ELEMENTS:
        raise TransportError(f"{BYTES} has {count} elements, at most {MAX_ELEMENTS} are supported")
    start = 0
    while start < len(raw) and len(elements) < count:
        if start + _LENGTH.size > len(raw):
            break
        (length,) = _LENGTH.unpack_from(raw, start)
        start += _LENGTH.size + length
        elements.append(raw[start - length : start])
    if start != len(raw) or len(elements) != count:
        raise TransportError(f"{BYTES} with {count} elements has wrong element lengths")
    return elements


def _objects(elements: list[bytes], shape: tuple[int, ...]) -> npt.NDArray[np.object_]:
    array = np.empty(len(elements), object)
    array[:] = elements
    array.flags.writeable = False
    return _shaped(array, shape)
