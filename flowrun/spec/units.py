"""Parse durations, sizes of pictures and amounts of data."""

from __future__ import annotations

import re

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_BYTES = {"M": 10**6, "G": 10**9, "T": 10**12}


def duration(value: str | float) -> float:
    """Seconds, from `500ms`, `5s`, `2m`, `1h`, `7d` or a number of seconds.

    Raises `ValueError` for anything else.
    """
    if not isinstance(value, str):
        return float(value)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value, re.ASCII)
    if found is None:
        raise ValueError(f"{value!r} is not a duration")
    if found[2] == "ms":
        return float(found[1]) / 1000  # dividing is exact where multiplying by 0.001 is not
    return float(found[1]) * _SECONDS[found[2]]


def size(value: str) -> tuple[int, int]:
    """`(width, height)` in pixels from `1280x720`. Raises `ValueError` for anything else."""
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", value, re.ASCII)
    if found is None:
        raise ValueError(f"{value!r} is not a size")
    return int(found[1]), int(found[2])


def is_amount(value: str | float) -> bool:
    """Whether `value` is an amount of data rather than a duration."""
    return isinstance(value, str) and value.endswith(tuple(_BYTES))


def amount(value: str) -> int:
    """Bytes from `500M`, `50G` or `2T`. Raises `ValueError` for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([MGT])", value, re.ASCII)
    if found is None:
        raise ValueError(f"{value!r} is not an amount of data")
    return round(float(found[1]) * _BYTES[found[2]])
