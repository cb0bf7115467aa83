"""What this process has used, CPU time and memory, and what it may use."""

from __future__ import annotations

import os
import re
from pathlib import Path

_STATUS = Path("/proc/self/status")


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended; on Windows without them."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak_memory() -> int | None:
    """The largest resident set of this process so far in bytes, without its children; `None` where
    the system does not report it in /proc."""
    try:
        found = re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text("utf-8"), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def machine_memory() -> int | None:
    """The memory of this machine in bytes, `None` if it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
