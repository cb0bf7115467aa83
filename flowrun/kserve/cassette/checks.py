"""Check the values of a cassette's JSON."""

from __future__ import annotations

import math
from typing import Any

import grpc

_LONGEST = 1e6  # seconds
_MAX_TEXT = 4096  # characters, of a status for instance


class DamagedError(Exception):
    """The file is no cassette; the text says where it deviates."""


def mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DamagedError(f"{name} is not a mapping")
    return value


def list_of(value: Any, name: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise DamagedError(f"{name} is not a list of at most {most}")
    return value


def text(value: Any, name: str, most: int = _MAX_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise DamagedError(f"{name} is not a text of at most {most} characters")
    if any("\ud800" <= each <= "\udfff" for each in value):
        raise DamagedError(f"{name} is not Unicode")
    return value


def count(value: Any, name: str, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise DamagedError(f"{name} is not a number from 0 to {most}")
    return value


def seconds(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DamagedError(f"{name} is not a number of seconds")
    if not (math.isfinite(value) and 0 <= value <= _LONGEST):
        raise DamagedError(f"{name} is not a time")
    return float(value)


def status(value: Any) -> str:
    name = text(value, "code")
    if name not in grpc.StatusCode.__members__:
        raise DamagedError(f"there is no status {name[:20]!r}")
    return name
