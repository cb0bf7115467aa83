"""Settings of glibc's allocator, so that freed memory of pictures is reused."""

from __future__ import annotations

import ctypes
import os
import platform

_LARGEST = 32 << 20  # bytes; the maximum that glibc accepts, and more than a 4K picture
_KEPT = 512 << 20  # bytes; a limit that a run does not reach
# Environment variable that glibc reads when a process starts → parameter in <malloc.h>, value.
_SETTINGS = {
    "MALLOC_TRIM_THRESHOLD_": (-1, _KEPT),
    "MALLOC_MMAP_THRESHOLD_": (-3, _LARGEST),
    "MALLOC_ARENA_MAX": (-8, 1),
}


def keep_freed_memory() -> bool:
    """Have the allocator reuse the memory of freed pictures; whether it accepts the settings.

    By default glibc returns each picture's memory to the kernel, which clears the same pages again
    for the next: at 1080p some hundred page faults per frame. And as one thread reads a picture,
    another sends it and a third frees it, each thread would keep an arena of its own; so all share
    one.

    It applies to the whole process, and is best called before there are threads: by the program,
    not by a library. Does nothing without glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(name, value) for name, value in _SETTINGS.values())


def environment() -> dict[str, str]:
    """This process's environment with the same settings for a child that uses glibc. Variables that
    are set already keep their values."""
    return {name: str(value) for name, (_, value) in _SETTINGS.items()} | os.environ
