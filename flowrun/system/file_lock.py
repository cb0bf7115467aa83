"""Lock a file against other processes and other parts of this one."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(*error.args) from error

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


class FileLock:
    """An exclusive lock on the file at `path`, which is created if necessary.

    The operating system releases it when the process ends, however that ends; the file may be left,
    and does not block. `locked` is false on a file system without locks. Child processes do not
    inherit it. Raises `BlockingIOError` if the file is locked, `OSError` if it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.locked = True
        while True:
            self._descriptor = _open(path)
            try:
                _lock(self._descriptor)
            except BlockingIOError:
                os.close(self._descriptor)
                raise
            except OSError:
                self.locked = False
            if self._is_current():
                return
            os.close(self._descriptor)  # its last owner has removed it since it was opened

    def release(self) -> None:
        """Remove the file and unlock it. Once."""
        if sys.platform == "win32":  # where an open file cannot be removed
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            os.unlink(self._path)
        if sys.platform != "win32":
            os.close(self._descriptor)

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | _NOFOLLOW, 0o666)
    except PermissionError:  # left by a killed run of another user: reading is enough
        return os.open(path, os.O_RDONLY | _NOFOLLOW)
