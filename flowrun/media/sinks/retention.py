"""Delete the oldest files of a sink's own pattern."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowrun.media.file_pattern import FilePattern
from flowrun.spec.flow import Keep

log = logging.getLogger("flowrun")


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    ended: float  # when it was last written, by the wall clock
    size: int


class Retention:
    """Delete finished files that match `pattern` and exceed `keep`, and the folders of the pattern
    that this empties.

    The age of a file is that of its last change: names without a date have no other, and it knows
    no time zones. A file from the future, by a clock that was wrong, is not old. Of an amount of
    data, the newest file is kept in any case. A file that cannot be deleted is a warning. One
    thread at a time.
    """

    def __init__(
        self, pattern: FilePattern, keep: Keep, key: str, wall: Callable[[], float] = time.time
    ) -> None:
        self._pattern, self._keep = pattern, keep
        self._key = key
        self._wall = wall
        self._refused: set[Path] = set()  # files that could not be deleted

    def announce(self) -> None:
        """Log what `apply` would delete now."""
        files = self._files()
        excess = self._excess(files)
        found = f"{len(files)} files ({_megabytes(files):.1f} MB) match {self._pattern.text}"
        if not excess:
            log.info("%s.keep: %s; none will be deleted", self._key, found)
            return
        log.info(
            "%s.keep: %s; %d of them (%.1f MB) will be deleted, from %s to %s",
            *(self._key, found, len(excess), _megabytes(excess)),
            *(excess[0].path, excess[-1].path),
        )

    def apply(self) -> None:
        """Delete what exceeds `keep`. Does not raise."""
        for file in self._excess(self._files()):
            if file.path in self._refused:
                continue
            try:
                file.path.unlink()
            except FileNotFoundError:
                continue
            except OSError as error:
                self._refused.add(file.path)
                log.warning(
                    "%s.keep: %s cannot be deleted: %s", self._key, file.path, error.strerror
                )
                continue
            log.debug("%s.keep: %s is deleted", self._key, file.path)
            self._remove_empty(file.path.parent)

    def _files(self) -> list[_File]:
        """The finished files, the oldest one first."""
        found = []
        for entry in self._pattern.files():
            with contextlib.suppress(OSError):  # it has been removed meanwhile
                status = entry.stat(follow_symlinks=False)
                found.append(_File(Path(entry.path), status.st_mtime, status.st_size))
        return sorted(found, key=lambda file: (file.ended, file.path))

    def _excess(self, files: Sequence[_File]) -> list[_File]:
        """Those of `files` that are too old or too many."""
        if self._keep.seconds is not None:
            since = self._wall() - self._keep.seconds
            return [file for file in files if file.ended < since]
        excess = []
        total = sum(file.size for file in files)
        for file in files[:-1]:
            if self._keep.bytes is None or total <= self._keep.bytes:
                break
            excess.append(file)
            total -= file.size
        return excess

    def _remove_empty(self, folder: Path) -> None:
        """Remove `folder` and those above it up to the pattern's base, as far as they are empty."""
        base = self._pattern.base
        while folder != base and base in folder.parents:
            try:
                os.rmdir(folder)
            except OSError:  # not empty
                return
            folder = folder.parent


def _megabytes(files: Sequence[_File]) -> float:
    return sum(file.size for file in files) / 1e6
