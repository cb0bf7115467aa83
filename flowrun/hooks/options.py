"""What stands under a hook's `with`, checked before the first frame.

Each function returns the value, or raises `InvalidFlowError` whose key is the option's name; the
hook's place in the flow is put in front of it by whoever opens the hook. A string that says a
number, true or false is one: so come values of variables, such as `${THRESHOLD:-0.5}`.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from flowrun.errors import InvalidFlowError
from flowrun.spec import units

CHANNELS = 3
_WHITE = 255
Three = npt.NDArray[np.float32]  # one value for each channel


def size(name: str, value: Any) -> tuple[int, int]:
    """(width, height) in pixels, written `300x300` or `[300, 300]`."""
    written = "x".join(map(str, value)) if isinstance(value, (list, tuple)) else value
    try:
        return units.size(written)
    except (TypeError, ValueError):
        refuse(name, value, "a size in pixels", "write it as 300x300 or [300, 300]")


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number from `least` on."""
    value = _meant(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        refuse(name, value, f"a whole number from {least} on")
    return value


def thickness(name: str, value: Any) -> int | None:
    """Pixels, or `null`: as the height of the picture says."""
    return None if value is None else whole(name, value)


def number(name: str, value: Any) -> float:
    """A number."""
    value = _meant(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        refuse(name, value, "a number")
    return float(value)


def truth(name: str, value: Any) -> bool:
    """`true` or `false`."""
    value = _meant(value)
    if not isinstance(value, bool):
        refuse(name, value, "true or false")
    return value


def three(name: str, value: Any) -> Three:
    """A number for each channel, written as three or as one for all."""
    values = (
        [*map(_meant, value)] if isinstance(value, (list, tuple)) else [_meant(value)] * CHANNELS
    )
    if len(values) != CHANNELS or not all(type(each) in (int, float) for each in values):
        refuse(name, value, "one number or three, one for each channel")
    return np.array(values, np.float32)


def color(name: str, value: Any) -> tuple[int, ...]:
    """The value of each channel, 0 to 255, written as three or as one for all."""
    values = tuple(_meant(each) for each in _of_each_channel(value))
    if len(values) != CHANNELS or not all(type(v) is int and 0 <= v <= _WHITE for v in values):
        refuse(name, value, "a value from 0 to 255 or three, one for each channel")
    return values


def choice(name: str, value: Any, allowed: Iterable[str]) -> Any:
    """One of the words `allowed`."""
    words = list(allowed)
    if value not in words:
        refuse(name, value, f"one of {', '.join(words)}")
    return value


def _of_each_channel(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value] * CHANNELS


def _meant(value: Any) -> Any:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return json.loads(value)
    return value


def refuse(name: str, value: Any, wanted: str, hint: str | None = None) -> NoReturn:
    """Say that the option `name` is `value` and has to be `wanted`."""
    raise InvalidFlowError(f"{value!r} is not {wanted}", key=name, hint=hint)
