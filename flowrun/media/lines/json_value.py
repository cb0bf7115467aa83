"""Convert any Python value to a JSON value."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from flowrun.detection import Detection, Mask
from flowrun.foreign import exception_text, is_ctrl_c, text_of, type_name

_MAX_DEPTH = 32  # deeper values may contain themselves
_MAX_VALUES = 100_000  # in the lists and dicts of one item; arrays of numbers are not counted
_MAX_BITS = sys.float_info.max_exp  # of an integer
_MAX_TEXT = 4000  # characters of a `repr`


def to_json_value(value: Any) -> Any:
    """`value` as dicts with string keys, lists, strings, numbers, booleans and `None` only.

    Numbers that JSON does not support, such as NaN and those beyond the range of a float, become
    `None`; arrays, sets and dataclasses become lists and dicts; anything else becomes its `repr`.
    What cannot be converted becomes a text that says why, in its place. Copies, changes nothing,
    and does not raise.
    """
    return _converted(value, 0, [])


def _converted(value: Any, depth: int, left: list[int]) -> Any:
    """`value` at `depth`; `left` has the number of values that may follow in its item."""
    try:
        if depth <= 1:  # the whole, or an item of it
            left = [_MAX_VALUES]
        return _nested(value, depth, left)
    except _TooManyError:
        if depth > 1:
            raise
        return f"<more than {_MAX_VALUES} values>"
    except BaseException as error:  # an object may answer anything
        if is_ctrl_c(error):
            raise
        return f"<{type_name(value)} without a JSON form: {exception_text(error)}>"


def _nested(value: Any, depth: int, left: list[int]) -> Any:
    if isinstance(value, np.ndarray) and _is_json_array(value):
        return value.tolist()
    value = _flat(value)
    if not isinstance(value, dict | list):
        return value
    if depth == _MAX_DEPTH:
        return f"<nested more than {_MAX_DEPTH} levels deep>"
    left[0] -= len(value)
    if left[0] < 0:
        raise _TooManyError
    if isinstance(value, dict):
        return {text_of(k): _converted(item, depth + 1, left) for k, item in value.items()}
    return [_converted(item, depth + 1, left) for item in value]


def _flat(value: Any) -> Any:
    """A dict or list, whose items are not converted yet, or a JSON scalar."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        value = dict(value)
    elif isinstance(value, list | tuple):
        value = list(value)
    elif isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    elif isinstance(value, Detection | Mask):
        value = value.to_json()
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    elif (isinstance(value, float) and not math.isfinite(value)) or (
        isinstance(value, int) and value.bit_length() > _MAX_BITS
    ):
        value = None
    elif not isinstance(value, str | int | float | None):  # a bool is an int
        text = repr(value)
        value = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"
    return value


class _TooManyError(Exception):
    """A value has more than `_MAX_VALUES` parts, or contains itself many times over."""


def _is_json_array(array: np.ndarray[Any, Any]) -> bool:
    """Whether all items are JSON values, with one check for the whole array, which may be large."""
    if array.dtype.char in "efd":  # as wide as Python's float or narrower
        return bool(np.isfinite(array).all())
    return array.dtype.kind in "biu"
