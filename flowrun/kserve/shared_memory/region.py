"""Pieces of POSIX shared memory, as files of /dev/shm: Linux only.

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
_RUN = os.urandom(4).hex()  # in a container every process may have the same number
_numbers = itertools.count()


class Region:
    """`size` bytes under the name `name`, there from the start, until `unlink` and the death of the
    last array that shows them.

    `address` is where they begin in this process; `owner` is who they are for; `known` says in
    which life of the server it was told of them, and `retired` that they cannot be used again.
    Raises `OSError` if there is no room.
    """

    def __init__(self, owner: str, size: int) -> None:
        self.owner = owner
        self.size = size
        self.known: int | None = None
        self.retired = False
        self.name = f"flowrun.{os.getpid()}.{_RUN}.{next(_numbers)}"
        self._file = _create(FOLDER / self.name)
        try:
            # Room that is only promised would end the process at the first write.
            os.posix_fallocate(self._file, 0, size)
            # All at once, and not by a page fault for each page.
            self._memory = mmap.mmap(self._file, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
            self.address = address_of(self.array())
        except BaseException:
            self.unlink()
            raise

    def array(self) -> Memory:
        """The bytes, as a new array. Whatever is made of it without a copy keeps it alive."""
        return np.frombuffer(self._memory, np.uint8)

    def unlink(self) -> None:
        """Take the name away, and the memory when nobody shows it any more. Once."""
        (FOLDER / self.name).unlink(missing_ok=True)
        os.close(self._file)


def sweep() -> None:
    """Unlink what runs left behind that were killed. The lock of a region goes with its process,
    however that ends; unlike its number, it is known in all containers that share the folder."""
    for path in FOLDER.glob("flowrun.*"):
        if not _NAME.fullmatch(path.name):
            continue
        try:
            file = os.open(path, os.O_RDWR)
        except OSError:  # it belongs to somebody else, or has just gone
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            pass  # in use
        finally:
            os.close(file)


def is_left_over(name: str) -> bool:
    """Whether this is the name of a region that is not there any more."""
    return _NAME.fullmatch(name) is not None and not (FOLDER / name).exists()


def _create(path: Path) -> int:
    """A new file, locked as long as it or its memory is held."""
    while True:
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(file, fcntl.LOCK_SH)
        if os.fstat(file).st_nlink:
            return file
        os.close(file)  # a sweep came between the two lines above
