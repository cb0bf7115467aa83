"""Colors of messages on a terminal: errors, warnings, notes, the caret below a line of a flow."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import TextIO

RED, GREEN, YELLOW, CYAN = 31, 32, 33, 36  # SGR codes (ECMA-48)
_OF = {"error": RED, "warning": YELLOW, "note": CYAN}
_SEVERITY = re.compile(
    r"^((?:\S+ )?flowrun|.*?:\d+:\d+)(: )(error|warning|note)\b", re.IGNORECASE | re.MULTILINE
)
_CARET = re.compile(r"^(\s+)\^$", re.MULTILINE)


def has_color(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that shows colors, and the user has not asked for none."""
    return stream.isatty() and wants_color(os.environ, sys.platform)


def wants_color(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a terminal with these variables is to have colors: see https://no-color.org. The old
    console of Windows shows the codes of colors."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return platform != "win32" or "WT_SESSION" in environ or "TERM" in environ


def paint(text: str, color: int) -> str:
    """`text` in `color`, then the default color."""
    return f"\x1b[{color}m{text}\x1b[0m"


def colored(text: str) -> str:
    """`text` with the severity at the start of a line, and the caret of an excerpt, in color."""
    text = _SEVERITY.sub(lambda m: f"{m[1]}{m[2]}{paint(m[3], _OF[m[3].lower()])}", text)
    return _CARET.sub(lambda m: f"{m[1]}{paint('^', GREEN)}", text)


def severity(text: str) -> str | None:
    """The severity of a message such as `flowrun: error: …` or `flow.yaml:1:2: error: …`."""
    found = _SEVERITY.match(text)
    return found[3].lower() if found else None
