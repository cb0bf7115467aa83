"""Convert any Python value to a JSON value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_MAX_DEPTH = 32  # deeper values may contain themselves


def to_json_value(value: Any, depth: int = 0) -> Any:
    """`value` as dicts with string keys, lists, strings, numbers, booleans and `None` only.

    Numbers that JSON does not support, such as NaN, become `None`; arrays, sets and dataclasses
    become lists and dicts; anything else becomes its `repr`. Copies, and changes nothing.
    """
    if isinstance(value, np.ndarray) and _is_json_array(value):
        return value.tolist()
    value = _convert(value)
    if not isinstance(value, dict | list):
        return value
    if depth == _MAX_DEPTH:
        return repr(value)
    if isinstance(value, dict):
        return {str(key): to_json_value(item, depth + 1) for key, item in value.items()}
    return [to_json_value(item, depth + 1) for item in value]


def _convert(value: Any) -> Any:
    """A dict or list, whose items are not converted yet, or a JSON scalar."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        value = dict(value)
    elif isinstance(value, tuple):
        value = list(value)
    elif isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    elif isinstance(value, float) and not math.isfinite(value):
        value = None
    elif not isinstance(value, list | str | int | float | None):  # a bool is an int
        value = repr(value)
    return value


def _is_json_array(array: np.ndarray[Any, Any]) -> bool:
    """Whether all items are JSON values, with one check for the whole array, which may be large."""
    if array.dtype.char in "efd":  # as wide as Python's float or narrower
        return bool(np.isfinite(array).all())
    return array.dtype.kind in "biu"
