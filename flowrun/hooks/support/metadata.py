"""Compare what a hook reads with the outputs that a model's metadata declares.

Sizes of -1, datatypes "INVALID" and the shape () are unknown and fit everything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowrun.inference import TensorInfo

Outputs = Mapping[str, TensorInfo]

ANY = -1
FLOATS = ("FP16", "FP32", "FP64", "BF16")
INTEGERS = tuple(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
NUMBERS = (*FLOATS, *INTEGERS)
_UNKNOWN = "INVALID"


def named(outputs: Outputs, name: str) -> TensorInfo:
    """The output `name`. Raises `ValueError` if the model does not have it."""
    if name not in outputs:
        raise ValueError(f"the model has no output {name!r}")
    return outputs[name]


def only(outputs: Outputs, name: str | None) -> TensorInfo:
    """The output `name`, or the only one. Raises `ValueError` if there are several."""
    if name is not None:
        return named(outputs, name)
    if len(outputs) > 1:
        raise ValueError("the model has several outputs; choose one with the option `output`")
    return next(iter(outputs.values()))


def check(tensor: TensorInfo, expected: str, datatypes: Sequence[str], *fits: bool) -> None:
    """Raise `ValueError` for a tensor that is not as `expected`: one of `datatypes`, with a shape
    for which one of `fits` is true."""
    wrong_type = tensor.datatype not in (*datatypes, _UNKNOWN)
    if wrong_type or (tensor.shape and not any(fits)):
        found = f"{tensor.datatype} {list(tensor.shape)}" if tensor.shape else tensor.datatype
        raise ValueError(f"output {tensor.name!r} is {found}, expected {expected}")


def is_rows(tensor: TensorInfo, *widths: int) -> bool:
    """Whether it may be (n, one of `widths`), ignoring dimensions of 1."""
    *outer, width = tensor.shape or (ANY,)
    several = [size for size in outer if size not in (1, ANY)]
    return bool(outer or not tensor.shape) and width in (*widths, ANY) and len(several) <= 1


def is_column(tensor: TensorInfo) -> bool:
    """Whether it may be (n,), ignoring dimensions of 1."""
    return len([size for size in tensor.shape if size not in (1, ANY)]) <= 1


def check_rows(tensor: TensorInfo, *widths: int) -> None:
    """Raise `ValueError` unless it may be (n, one of `widths`)."""
    shapes = " or ".join(f"(n, {width})" for width in widths)
    check(tensor, f"numbers with shape {shapes}", NUMBERS, is_rows(tensor, *widths))


def check_column(tensor: TensorInfo) -> None:
    """Raise `ValueError` unless it may be (n,)."""
    check(tensor, "numbers with shape (n,)", NUMBERS, is_column(tensor))
