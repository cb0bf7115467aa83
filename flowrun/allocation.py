"""What becomes of the memory of pictures that nobody needs any more."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's <malloc.h>
_LARGEST = 32 << 20  # bytes; as far as glibc can be told, and more than a picture of 4K
_KEPT = 512 << 20  # bytes of each arena; in truth what a run needs at its fullest


def keep_freed_memory() -> bool:
    """The next picture gets the memory of one before it; whether the system lets itself be told.

    Otherwise glibc gives each back to the kernel, which clears the same pages again for the next:
    at 1080p some hundred page faults per frame, a tenth of what a frame costs. For the whole
    process, so it is for whoever owns that; other systems than glibc's are left as they are.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT) and mallopt(_MMAP_THRESHOLD, _LARGEST))
