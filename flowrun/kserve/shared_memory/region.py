"""Regions of POSIX shared memory, as files of /dev/shm: Linux only.

Not `multiprocessing.shared_memory`: its resource tracker is one more process, which unlinks by its
own rules, and its memory cannot be freed while an array still shows it.
"""

from __future__ import annotations

import fcntl
import itertools
import mmap
import os
import re
from pathlib import Path

import numpy as np

from flowrun.image.buffers import Memory, address_of

FOLDER = Path("/dev/shm")  # noqa: S108 - where shm_open of Linux's C libraries looks
PAGE = mmap.PAGESIZE

_NAME = re.compile(r"flowrun\.\d+\.[0-9a-f]{8}\.\d+")  # flowrun.PID.RUN.NUMBER
_RUN = os.urandom(4).hex()  # in a container every process may have the same id
_numbers = itertools.count()


class Region:
    """`size` bytes under the name `name`, allocated until `unlink` and the death of the last array
    that shows them.

    `address` is where they begin in this process; `owner` is the tensor that they are for;
    `registered` is the generation of the server that has registered them, and `retired` means that
    they cannot be reused. Raises `OSError` if the memory cannot be allocated.
    """

    def __init__(self, owner: str, size: int) -> None:
        self.owner = owner
        self.size = size
        self.registered: int | None = None
        self.retired = False
        self.name = f"flowrun.{os.getpid()}.{_RUN}.{next(_numbers)}"
        self._file = _create(FOLDER / self.name)
        try:
            # A sparse file would end the process (SIGBUS) at the first write without free memory.
            os.posix_fallocate(self._file, 0, size)
            # All at once, and not by a page fault for each page.
            self._memory = mmap.mmap(self._file, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
            self.address = address_of(self.array())
        except BaseException:
            self.unlink()
            raise

    def array(self) -> Memory:
        """The bytes, as a new array. Its views keep the memory alive."""
        return np.frombuffer(self._memory, np.uint8)

    def unlink(self) -> None:
        """Remove the name; the memory is freed with the last array that shows it. Once."""
        (FOLDER / self.name).unlink(missing_ok=True)
        os.close(self._file)


def sweep() -> None:
    """Unlink the regions of runs that were killed. The lock of a region is released when its
    process ends, however it ends; unlike the process's id, it is valid in all containers that share
    the folder."""
    for path in FOLDER.glob("flowrun.*"):
        if not _NAME.fullmatch(path.name):
            continue
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:  # of another user, or just removed
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(file)


def is_left_over(name: str) -> bool:
    """Whether this is the name of a region that no longer exists."""
    return _NAME.fullmatch(name) is not None and not (FOLDER / name).exists()


def _create(path: Path) -> int:
    """A new file, locked as long as it or its memory is held."""
    while True:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(file, fcntl.LOCK_SH)
        if os.fstat(file).st_nlink:
            return file
        os.close(file)  # a sweep came between the two lines above
