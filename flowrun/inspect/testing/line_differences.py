"""Compare the lines about two frames."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

_TOLERANCE = 0.001  # of numbers with a fraction, relative, and absolute below 1
_MAX_QUOTE = 60  # characters of a value


def line_difference(
    expected: Mapping[str, Any] | None, found: Mapping[str, Any] | None, *, exact: bool
) -> str | None:
    """The first difference between two lines, `None` if there is none. Numbers with a fraction may
    differ by 0.1 % unless they are compared `exact`."""
    if found is None:
        return "there is no such frame any more"
    if expected is None:
        return "there is a frame that was not expected"
    return next(_value_differences(expected, found, "", exact=exact), None)


def _value_differences(expected: Any, found: Any, path: str, *, exact: bool) -> Iterator[str]:
    """A sentence for each value below `path` that differs."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted({*expected, *found}):
            below = f"{path}.{key}" if path else key
            if key not in found:
                yield f"{below} is missing"
            elif key not in expected:
                yield f"{below} was not expected"
            else:
                yield from _value_differences(expected[key], found[key], below, exact=exact)
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for n, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _value_differences(one, other, f"{path}[{n}]", exact=exact)
    elif isinstance(expected, list) and isinstance(found, list):
        yield f"{path} has {len(found)} items, expected {len(expected)}"
    elif not _equal(expected, found, exact=exact):
        yield f"{path} is {_quoted(found)}, expected {_quoted(expected)}"


def _equal(expected: Any, found: Any, *, exact: bool) -> bool:
    if type(expected) is type(found) and not isinstance(expected, float):
        return bool(expected == found)
    numbers = (int, float)
    if type(expected) not in numbers or type(found) not in numbers:
        return False
    if exact:
        return bool(expected == found)
    return math.isclose(expected, found, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_QUOTE else f"{text[: _MAX_QUOTE - 1]}…"
