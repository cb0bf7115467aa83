"""The excerpt of the file in an error message: the line, and a caret below it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from flowrun.spec.secrets import MASK, secret_spans

MAX_WIDTH = 100  # characters of the excerpt
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MAX_BEFORE = 60  # characters before the caret


def excerpt(lines: Sequence[str], line: int, column: int) -> tuple[str, str]:
    """Return line `line` of a flow file for a message, and the line with the caret below it.

    Secrets are masked and the line is cut to `MAX_WIDTH` around `column`. Lines and columns count
    from 1. Both texts are empty for a blank line. The caret line is padded so that `^` stands below
    the column: tabs stay tabs, wide characters take two blanks. Control characters are replaced, so
    none reaches the terminal.
    """
    text = lines[line - 1] if line <= len(lines) else ""
    if not text.strip():
        return "", ""
    text, at = _masked(text, secret_spans(lines, line - 1), min(column - 1, len(text)))
    start = max(0, at - _MAX_BEFORE) if len(text) > MAX_WIDTH else 0
    cut = text[start : start + MAX_WIDTH]
    at -= start
    if start:
        cut, at = f"…{cut[1:]}", max(at, 1)
    if len(text) > start + MAX_WIDTH:
        cut = f"{cut[:-1]}…"
    cut = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", cut)
    return cut.rstrip(), "".join(map(_blank, cut[:at])) + "^"


def _masked(text: str, spans: list[tuple[int, int]], at: int) -> tuple[str, int]:
    masked, end, moved = "", 0, at
    for start, stop in spans:
        masked += text[end:start] + MASK
        if at >= stop:
            moved += len(MASK) - (stop - start)
        elif at > start:
            moved += start - at
        end = stop
    return masked + text[end:], moved


def _blank(character: str) -> str:
    if character == "\t":
        return "\t"
    if unicodedata.combining(character) or unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "
