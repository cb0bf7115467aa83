"""A line of the file below an error message, and the caret below the line."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from flowrun.spec.secrets import MASK, secret_spans

WIDEST = 100  # characters of a quoted line
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BEFORE = 60  # of them in front of the caret, at most


def quote(lines: Sequence[str], line: int, column: int) -> tuple[str, str]:
    """The line without its secrets, cut to `WIDEST` around the column, and blanks with a `^` that
    stands below the column. Lines and columns count from 1; both texts are empty for a line without
    text. Tabs are kept in both, wide characters take two blanks, and no control character gets to
    the terminal."""
    text = lines[line - 1] if line <= len(lines) else ""
    if not text.strip():
        return "", ""
    text, at = _masked(text, secret_spans(lines, line - 1), min(column - 1, len(text)))
    start = max(0, at - _BEFORE) if len(text) > WIDEST else 0
    cut = text[start : start + WIDEST]
    at -= start
    if start:
        cut, at = f"…{cut[1:]}", max(at, 1)
    if len(text) > start + WIDEST:
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
