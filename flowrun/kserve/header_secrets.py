"""Find the values of the flow's gRPC metadata in texts of a server."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MIN_LENGTH = 4  # characters; shorter values are not hidden


def secrets_pattern(headers: Mapping[str, str]) -> re.Pattern[str] | None:
    """Matches each value of `headers`, and each of its words; `None`: there is none."""
    values = {piece for value in headers.values() for piece in (value, *value.split())}
    found = sorted((each for each in values if len(each) >= _MIN_LENGTH), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found))) if found else None
