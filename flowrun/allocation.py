"""What becomes of the memory of pictures that nobody needs any more."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8  # glibc's <malloc.h>
_LARGEST = 32 << 20  # bytes; as far as glibc can be told, and more than a picture of 4K
_KEPT = 512 << 20  # bytes; in truth what a run needs at its fullest


def keep_freed_memory() -> bool:
    """The next picture gets the memory of one before it; whether the system lets itself be told.

    Otherwise glibc gives each back to the kernel, which clears the same pages again for the next:
    at 1080p some hundred page faults per frame. And as a picture is read by one thread, sent by
    another and freed by a third, each thread would keep memory of its own; so all share one.

    For the whole process, and best before it has threads, so it is for whoever owns that. Other
    systems than glibc's are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    wishes = {_TRIM_THRESHOLD: _KEPT, _MMAP_THRESHOLD: _LARGEST, _ARENA_MAX: 1}
    return all(mallopt(name, value) for name, value in wishes.items())
