"""Check, before a command starts its work, the file that it writes at the end."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from flowrun.errors import UsageError

_MAX_READ = 1_000_000  # bytes that are read to find out what an existing file is
_FLOW_KEY = re.compile(
    r"""^(?:\{\s*)?["']?(?:version|source|transport|extends)["']?\s*:""", re.MULTILINE
)


def check_output(
    target: Path, name: str, kind: str, is_kind: Callable[[str], bool], *, replace: bool
) -> None:
    """Raise `UsageError` if `target`, which messages call `name`, cannot be written, or exists and
    must not be replaced.

    An empty file and one of the same `kind`, for whose text `is_kind` is true, may be replaced; any
    other file only with `replace`, a flow never. Devices and pipes are not looked at.
    """
    if target.exists() and not target.is_file() and not target.is_dir():
        return
    try:
        text = _text(target)
        _try_to_write(target)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    if not text or is_kind(text):
        return
    if _FLOW_KEY.search(text):
        raise UsageError(
            f"{name}: the file is a flow and is not replaced", hint="choose another path"
        )
    if not replace:
        raise UsageError(
            f"{name}: the file exists and is not {kind}",
            hint="choose another path, or replace it with -y",
        )


def _text(path: Path) -> str:
    """The text of a file, or its start; empty if there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_READ).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _try_to_write(path: Path) -> None:
    """Raise `OSError` if `path` cannot be written. It is not changed."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        os.close(os.open(path, os.O_WRONLY))
    else:
        path.unlink()
