"""What becomes of the memory of pictures that nobody needs any more."""

from __future__ import annotations

import ctypes
import os
import platform

_LARGEST = 32 << 20  # bytes; as far as glibc can be told, and more than a picture of 4K
_KEPT = 512 << 20  # bytes; in truth what a run needs at its fullest
# By the variable that glibc reads at the start of a process: the number of <malloc.h>, the wish.
_WISHES = {
    "MALLOC_TRIM_THRESHOLD_": (-1, _KEPT),
    "MALLOC_MMAP_THRESHOLD_": (-3, _LARGEST),
    "MALLOC_ARENA_MAX": (-8, 1),
}


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
    return all(mallopt(name, wish) for name, wish in _WISHES.values())


def environment() -> dict[str, str]:
    """This process's environment, in which a child keeps freed memory too, as far as it has glibc
    and nobody has told it otherwise."""
    return {name: str(wish) for name, (_, wish) in _WISHES.items()} | os.environ
