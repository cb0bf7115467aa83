"""The line of JSON about one frame: the same in every sink for lines.

Its format is `schemas/line.schema.json`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from flowrun.media.lines.json_value import to_json_value
from flowrun.media.protocols import Fate

VERSION = 1  # of the format


def line_of(fate: Fate, run: str, now: datetime) -> dict[str, Any]:
    """The line of `fate`, which was decided at `now` (with a time zone) in the run `run`."""
    captured = now - timedelta(seconds=fate.took.get("end_to_end", 0.0))
    return {
        "version": VERSION,
        "run": run,
        "index": fate.index,
        "time": round(fate.time, 6),
        "at": captured.isoformat(timespec="milliseconds"),
        "fate": fate.fate,
        "cause": fate.cause,
        "latency_ms": {name: round(s * 1000, 3) for name, s in fate.took.items()},
        "data": to_json_value(fate.data),
    }


def encoded(line: Any) -> bytes:
    """Strict JSON in UTF-8, without a line break. A lone surrogate, as in names of files, becomes
    the escape that JSON has for it."""
    text = json.dumps(line, ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace")
