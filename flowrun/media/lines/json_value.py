"""Values of any kind as JSON has them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

_DEEPEST = 32  # what goes deeper may well contain itself


def to_json_value(value: Any, depth: int = 0) -> Any:
    """`value` made of nothing but dicts with strings as keys, lists, strings, numbers, booleans and
    `None`.

    Numbers that JSON has not, such as NaN, become `None`; arrays, sets and dataclasses what is
    nearest; anything else its `repr`. Copies, changes nothing.
    """
    if isinstance(value, np.ndarray) and _needs_no_look(value):
        return value.tolist()
    value = _nearest(value)
    if not isinstance(value, dict | list):
        return value
    if depth == _DEEPEST:
        return repr(value)
    if isinstance(value, dict):
        return {str(key): to_json_value(item, depth + 1) for key, item in value.items()}
    return [to_json_value(item, depth + 1) for item in value]


def _nearest(value: Any) -> Any:
    """A dict, a list (of anything both), or what JSON has."""
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


def _needs_no_look(array: np.ndarray[Any, Any]) -> bool:
    """Whether all its items are what JSON has, found out at once: arrays may be large."""
    if array.dtype.char in "efd":  # the floats that Python has
        return bool(np.isfinite(array).all())
    return array.dtype.kind in "biu"
