"""Read the text of a flow from a file or from standard input."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from flowrun.spec.hints import closest_match
from flowrun.spec.nodes import Location, MalformedMessageError
from flowrun.spec.yaml_parser import split_lines

MAX_BYTES = 1024 * 1024  # bytes of a flow file


def read_file(path: Path) -> str:
    """The text of the file, without a byte order mark. Raises `MalformedMessageError`."""
    return _text(_read(path))


def read_stdin() -> str:
    """The text on standard input. Raises `MalformedMessageError`."""
    return _text(_read_stdin())


def _read(path: Path) -> bytes:
    """The content of the file, or a little more than `MAX_BYTES` bytes of it."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise _too_large()
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        hint = f"did you mean `{near}`?" if (near := nearest_file(path)) else ""
        raise MalformedMessageError("there is no such file", hint=hint) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise MalformedMessageError(f"the file cannot be read: {reason or error}") from error


def nearest_file(path: Path) -> Path | None:
    """The YAML file of the same directory that was probably meant."""
    try:
        files = [each for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml")]
    except OSError:
        return None
    by_stem = {file.stem: file for file in sorted(files)}
    return by_stem.get(closest_match(path.stem, tuple(by_stem)) or "")


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise MalformedMessageError("standard input is closed")
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"standard input cannot be read: {error.strerror or error}"
        raise MalformedMessageError(message) from error


def _text(data: bytes) -> str:
    """The text of a flow, without a byte order mark."""
    if len(data) > MAX_BYTES:
        raise _too_large()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise MalformedMessageError("the file is UTF-16, expected UTF-8", hint="save it as UTF-8")
    if b"\0" in data:
        raise MalformedMessageError("this is a binary file, expected YAML text")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        lines = split_lines(data[: error.start].removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
        location = Location(0, len(lines), len(lines[-1]) + 1)
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise MalformedMessageError(message, location, "save the file as UTF-8") from error


def _too_large() -> MalformedMessageError:
    return MalformedMessageError(
        f"the file is larger than {MAX_BYTES // 1024} KiB", hint="is this the right file?"
    )
