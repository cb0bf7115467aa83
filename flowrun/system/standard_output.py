"""Reserve the standard output of the process for what flowrun writes there.

Hooks, libraries and child processes print to file descriptor 1; after `reserve` that is standard
error.
"""

from __future__ import annotations

import os
import sys

_reserved: list[int] = []


def reserve() -> int:
    """Make file descriptor 1 standard error, and return one for standard output."""
    _reserved.append(os.dup(1))
    os.dup2(2, 1)
    return _reserved[-1]


def descriptor() -> int:
    """The file descriptor of standard output. Raises `OSError` or `ValueError` if it is closed."""
    if _reserved:
        return _reserved[-1]
    return 1 if sys.__stdout__ is None else sys.__stdout__.fileno()
