"""The lines that the process of a flow writes to its standard error.

It logs JSON. Some lines are reports to the supervisor; hooks and libraries print what they like.
"""

from __future__ import annotations

import json
import logging
from typing import Any, NamedTuple

_KEY = "flowrun-up"  # of the object that is a report


class LogLine(NamedTuple):
    level: int
    message: str


def report_line(report: dict[str, Any]) -> str:
    """The line that is a report to the supervisor."""
    return json.dumps({_KEY: report})


def read_line(line: str) -> LogLine | dict[str, Any]:
    """A line of the log, or a report."""
    try:
        found = json.loads(line) if line.startswith("{") else None
    except ValueError:
        found = None
    if isinstance(found, dict):
        report, message = found.get(_KEY), found.get("message")
        if isinstance(report, dict):
            return report
        if isinstance(message, str):
            level = logging.getLevelName(str(found.get("level")).upper())
            return LogLine(level if isinstance(level, int) else logging.INFO, message)
    return LogLine(logging.INFO, line)
