"""Keep the scheduling policy of the threads of this process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextlib.contextmanager
def normal_threads() -> Iterator[None]:
    """Undo the real-time scheduling of threads that a library starts or changes in the block.

    SVT-AV1, used by root, gives its threads and that of its caller the highest real-time priority.
    They and all their children then starve the other processes of the machine, and may hang it.
    """
    before = _real_time()
    try:
        yield
    finally:
        for thread in _real_time() - before:
            with contextlib.suppress(OSError):  # the thread has ended
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def _real_time() -> set[int]:
    """The threads of this process with a real-time policy. Empty where the system has none."""
    found = set()
    if hasattr(os, "sched_getscheduler") and _TASKS.is_dir():
        for task in _TASKS.iterdir():
            with contextlib.suppress(OSError):
                if os.sched_getscheduler(int(task.name)) in (os.SCHED_FIFO, os.SCHED_RR):
                    found.add(int(task.name))
    return found
