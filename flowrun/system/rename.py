"""Rename files without replacing others."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def rename_new(source: Path, target: Path) -> None:
    """Rename `source` to `target`. Raises `FileExistsError`, with both untouched, if there is a
    `target`; atomic, except on file systems without hard links."""
    if sys.platform == "win32":
        os.rename(source, target)
        return
    try:
        os.link(source, target)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # FAT, some network shares
        _rename_over_placeholder(source, target)
    else:
        os.unlink(source)


def rename_aside(source: Path, path: Path) -> Path:
    """Rename `source` to the first free name of `name-1.mp4`, `name-2.mp4`, … for `name.mp4`, and
    return that."""
    number = 1
    while True:
        target = path.with_name(f"{path.stem}-{number}{path.suffix}")
        try:
            rename_new(source, target)
        except FileExistsError:
            number += 1
        else:
            return target


def _rename_over_placeholder(source: Path, target: Path) -> None:
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        os.replace(source, target)
    except OSError:
        os.unlink(target)
        raise
