"""Translate PyYAML's syntax errors into messages for users."""

from __future__ import annotations

import re
from collections.abc import Sequence

import yaml

from flowrun.spec.lookalikes import missing_blank
from flowrun.spec.nodes import Location, MalformedMessageError

# A part of the message of both of PyYAML's parsers, and our message and hint.
_MESSAGES: dict[str, tuple[str, str]] = {
    "node content": ("a value cannot start with `{character}`", "put it in quotes"),
    "cannot start any token": ("a value cannot start with `{character}`", "put it in quotes"),
    "mapping values are not allowed": (
        "there is no key that this `:` could belong to",
        "check the indentation; a value that contains `: ` needs quotes",
    ),
    "block sequence entries are not allowed": (
        "there is no list that this `-` could belong to",
        "begin each item of a list on a line of its own; a value that is `-` needs quotes",
    ),
    "incompatible YAML document": ("this is not YAML 1.1 or 1.2", "remove the line `%YAML`"),
    "unknown escape": (
        "unknown escape in a double-quoted string",
        "write two backslashes for one, or use single quotes",
    ),
    **dict.fromkeys(
        ("expected key", "<block end>", "'-' indicator", "expected ':'"),
        (
            "this does not continue the lines above",
            "check the indentation, and that every key is followed by `: `",
        ),
    ),
}
_CLOSING = {"[": "]", "{": "}"}


def syntax_error(error: yaml.MarkedYAMLError, lines: Sequence[str]) -> MalformedMessageError:
    """Translate PyYAML's error about `lines`, with a location inside them."""
    problem = error.problem or ""
    line, column = _inside(error.problem_mark or error.context_mark, lines)
    tab = re.match(r" *\t", lines[line])
    if tab:
        return _at(line, tab.end() - 1, "a tab cannot indent YAML", "indent with blanks")
    if found := missing_blank(lines, line) or _block_scalar(error, lines):
        return found
    if error.context_mark and ("expected ',' or" in problem or "end of stream" in problem):
        return _unclosed(_inside(error.context_mark, lines), (line, column), lines)
    character = lines[line][column:][:1]
    if "node content" in problem and not character:
        return _at(line, column, "the file ends before a `[` or `{` is closed")
    for part, (message, hint) in _MESSAGES.items():
        if part in problem:
            return _at(line, column, message.format(character=character), hint)
    text = ", ".join(filter(None, (error.context, problem)))
    return _at(line, column, f"invalid YAML: {text}")


def _block_scalar(
    error: yaml.MarkedYAMLError, lines: Sequence[str]
) -> MalformedMessageError | None:
    """The error for a value such as `>= 1`, whose first character begins a block scalar."""
    is_one = "block scalar" in (error.context or "")
    if not is_one or not re.search("line break|chomping", error.problem or ""):
        return None
    line, column = _inside(error.context_mark, lines)
    indicator = lines[line][column:][:1]
    text = f"a value cannot start with `{indicator}`, which begins a text of several lines"
    return _at(line, column, text, "put it in quotes")


def _unclosed(
    opened: tuple[int, int], found: tuple[int, int], lines: Sequence[str]
) -> MalformedMessageError:
    """The error for a bracket or quotation that is not closed; `found` is where it was detected."""
    opening = lines[opened[0]][opened[1] :][:1]
    closing = _CLOSING.get(opening)
    line, column = found
    rest = [lines[line][column:], *lines[line + 1 :]]
    if closing is None or not any(text.strip() for text in rest):
        return _at(*opened, f"this `{opening}` is not closed")
    message = f"expected `,` or `{closing}` in the `{opening}` of line {opened[0] + 1}"
    return _at(line, column, message, "quote a value that contains any of `{}[],`")


def _inside(mark: yaml.Mark | None, lines: Sequence[str]) -> tuple[int, int]:
    """Line and column, from 0; the end of the last line for a mark after it."""
    if mark is None:
        return 0, 0
    if mark.line >= len(lines):
        return len(lines) - 1, len(lines[-1])
    return mark.line, min(mark.column, len(lines[mark.line]))


def _at(line: int, column: int, message: str, hint: str = "") -> MalformedMessageError:
    return MalformedMessageError(message, Location(0, line + 1, column + 1), hint)
