"""Claim the files that a run writes, so that nothing else is lost by writing them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flowrun.errors import SinkError
from flowrun.media.file_pattern import FilePattern
from flowrun.spec import strftime
from flowrun.system.file_lock import FileLock

log = logging.getLogger("flowrun")


class Claims:
    """The files that the sinks of one run write. What is claimed here cannot be claimed by another
    sink or another run, on any machine with the same folder, until it is released or the process
    ends.

    A claim is a lock on the file `.NAME.lock` beside the file. Paths to one file in different
    spellings have the same claim. Any thread.
    """

    def __init__(self) -> None:
        self._held: dict[Path, tuple[str, FileLock]] = {}  # by lock file: sink, lock

    def take(self, path: Path, key: str, *, overwrite: bool) -> None:
        """Claim `path` for the sink `key`, which may have it already. Missing folders are created.

        Raises `SinkError` if `path` is a directory, exists without `overwrite`, cannot be written
        or is claimed.
        """
        if path.is_dir():
            raise SinkError(f"{path} is a directory", key=key)
        if os.path.lexists(path) and not overwrite:
            raise SinkError(
                f"{path} exists and is not overwritten",
                key=key,
                hint="choose another path, or set `overwrite: true` under `sink`",
            )
        if path.exists() and not path.is_file():
            return  # a device or a pipe
        self._lock(path, str(path), key)

    def take_pattern(self, pattern: FilePattern, key: str) -> None:
        """Claim all files of `pattern` with one lock, in its `base`. Raises `SinkError`."""
        name = strftime.literal(pattern.inside).replace("/", "+")
        self._lock(pattern.base / name, pattern.text, key)

    def _lock(self, path: Path, shown: str, key: str) -> None:
        lock_file = _lock_file(path)
        if lock_file in self._held and self._held[lock_file][0] == key:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(lock_file)
        except BlockingIOError as error:
            raise SinkError(
                f"{shown} is being written by another run or sink",
                key=key,
                hint="stop the other run, or choose another path",
            ) from error
        except OSError as error:
            raise SinkError(f"{shown} cannot be written: {error.strerror}", key=key) from error
        if not lock.locked:
            log.warning(
                "%s: the file system of %s has no locks, so nothing keeps another run from writing"
                " this file, too",
                *(key, shown),
            )
        self._held[lock_file] = (key, lock)

    def release(self, key: str) -> None:
        """Release what the sink `key` has claimed. Idempotent."""
        for lock_file, (owner, lock) in list(self._held.items()):
            if owner == key:
                del self._held[lock_file]
                lock.release()

    def close(self) -> None:
        """Release everything. Idempotent."""
        for key in {owner for owner, _ in self._held.values()}:
            self.release(key)


def _lock_file(path: Path) -> Path:
    real = Path(os.path.realpath(path))
    return real.with_name(f".{real.name}.lock")
