"""Read files of variables: `NAME=VALUE` lines, `#` comments, quotes as in a shell.

`export` before a name is skipped. In single quotes every character is literal; in double quotes a
backslash escapes `"`, `\\`, `$` and a backquote; without quotes it escapes any character. `$` and
operators of the shell, such as `&`, are ordinary characters. `#` starts a comment only after a
blank or at the start of a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from flowrun.errors import UsageError

MAX_BYTES = 1024 * 1024  # bytes of a file
_START = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=", re.ASCII)
_IGNORED = re.compile(r"\s*(?:#.*)?", re.DOTALL)
_END = re.compile(r"\s*|\s+#.*", re.DOTALL)
_PART = re.compile(
    r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|\\(?P<escaped>.)|(?P<plain>[^\s'"\\]+)""",
    re.DOTALL,
)
_ESCAPE = re.compile(r'\\(["\\$`])')


def environment(files: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """`environ`, and the variables of `files` that it does not have. Of a variable that occurs more
    than once, the last value counts.

    Raises `UsageError` for a file that cannot be read, and for a wrong line (`FILE:LINE`); no
    message has a part of a value.
    """
    found: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(_lines(file), start=1):
            if not _IGNORED.fullmatch(line):
                name, value = _variable(line, f"{file}:{number}")
                found[name] = value
    return found | dict(environ)


def _lines(file: str) -> list[str]:
    name = f"--env-file {file}"
    try:
        with Path(file).open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise UsageError(f"{name}: there is no such file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UsageError(f"{name}: {reason or error}") from error
    if len(data) > MAX_BYTES or b"\0" in data:
        raise UsageError(f"{name}: this is not a file of NAME=VALUE lines")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{file}:{line}: this is not UTF-8", hint="save it as UTF-8") from error
    return text.replace("\r\n", "\n").split("\n")


def _variable(line: str, location: str) -> tuple[str, str]:
    """Name and value of a line; `location` is for messages."""
    start = _START.match(line)
    if start is None:
        hint = "a name has letters, digits and `_`; there is no blank around the `=`"
        raise UsageError(f"{location}: expected NAME=VALUE, or a # comment", hint=hint)
    parts, at = [], start.end()
    while part := _PART.match(line, at):
        double = part["double"]
        if double is not None:
            parts.append(_ESCAPE.sub(r"\1", double))
        else:
            parts.append(part["single"] or part["escaped"] or part["plain"] or "")
        at = part.end()
    if _END.fullmatch(line, at):
        return start[1], "".join(parts)
    if line[at] in "'\"":
        raise UsageError(f"{location}: this {line[at]} is not closed", hint="a value is one line")
    if line[at] == "\\":
        raise UsageError(f"{location}: the line ends with a backslash", hint="a value is one line")
    raise UsageError(
        f"{location}: there is text after the value",
        hint=f"put a value that has blanks into quotes: {start[1]}='…'",
    )
