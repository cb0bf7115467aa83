"""Validate the options of a hook (its `with`) before the first frame.

Each function returns the value, or raises `InvalidFlowError` with the option's name as key; the
loader adds the hook's key. A string such as "0.5" or "true" is converted, as the values of
variables are strings: `${THRESHOLD:-0.5}`.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from flowrun.errors import InvalidFlowError
from flowrun.spec import units

CHANNELS = 3
_COORDINATES = 2  # of a point
_WHITE = 255
PerChannel = npt.NDArray[np.float32]  # one value for each channel


def size(name: str, value: Any) -> tuple[int, int]:
    """(width, height) in pixels from `300x300` or `[300, 300]`."""
    written = "x".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    try:
        return units.size(written)
    except (TypeError, ValueError):
        reject(name, value, "a size in pixels", "write it as 300x300 or [300, 300]")


def integer(name: str, value: Any, minimum: int = 1) -> int:
    """An integer of at least `minimum`."""
    value = _parsed(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        reject(name, value, f"an integer of at least {minimum}")
    return value


def thickness(name: str, value: Any) -> int | None:
    """A line width in pixels, or `None`: by the height of the image."""
    return None if value is None else integer(name, value)


def number(name: str, value: Any) -> float:
    """A finite number."""
    value = _parsed(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        reject(name, value, "a number")
    return float(value)


def share(name: str, value: Any) -> float:
    """A number from 0 to 1."""
    if not 0 <= (found := number(name, value)) <= 1:
        reject(name, value, "a number from 0 to 1")
    return found


def duration(name: str, value: Any) -> float:
    """Seconds above 0 from `500ms`, `1s`, `2m`, `1h` or a number of seconds."""
    value = _parsed(value)
    expected, hint = "a duration above 0", "write it as `500ms`, `1s`, `2m` or in seconds"
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        reject(name, value, expected, hint)
    try:
        seconds = units.duration(value)
    except ValueError:
        reject(name, value, expected, hint)
    if not 0 < seconds < math.inf:
        reject(name, value, expected, hint)
    return seconds


def boolean(name: str, value: Any) -> bool:
    """`true` or `false`."""
    value = _parsed(value)
    if not isinstance(value, bool):
        reject(name, value, "true or false")
    return value


def per_channel(name: str, value: Any) -> PerChannel:
    """One number for each channel, from three or from one for all."""
    values = _channel_values(value)
    if len(values) != CHANNELS or not all(type(each) in (int, float) for each in values):
        reject(name, value, "one number or three, one for each channel")
    return np.array(values, np.float32)


def color(name: str, value: Any) -> tuple[int, ...]:
    """One value from 0 to 255 for each channel, from three or from one for all."""
    values = _channel_values(value)
    if len(values) != CHANNELS or not all(type(v) is int and 0 <= v <= _WHITE for v in values):
        reject(name, value, "a value from 0 to 255 or three, one for each channel")
    return tuple(values)


def points(name: str, value: Any) -> list[tuple[float, float]]:
    """Points of the picture from `[[x, y], …]`."""
    expected = "a list of points, [[x, y], …]"
    if not isinstance(value, (list, tuple)):
        reject(name, value, expected)
    found = []
    for point in value:
        if not isinstance(point, (list, tuple)) or len(point) != _COORDINATES:
            reject(name, value, expected)
        found.append((number(name, point[0]), number(name, point[1])))
    return found


def choice(name: str, value: Any, allowed: Iterable[str]) -> Any:
    """One of the strings `allowed`."""
    choices = list(allowed)
    if value not in choices:
        reject(name, value, f"one of {', '.join(choices)}")
    return value


def _channel_values(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [_parsed(each) for each in value]
    return [_parsed(value)] * CHANNELS


def _parsed(value: Any) -> Any:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def reject(name: str, value: Any, expected: str, hint: str | None = None) -> NoReturn:
    """Raise the error for the option `name`, which is `value` and not `expected`."""
    raise InvalidFlowError(f"{value!r} is not {expected}", key=name, hint=hint)
