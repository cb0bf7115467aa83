"""CPU time and memory of a process and its descendants, from Linux's `/proc`."""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")
_PARENT, _TIMES = 1, slice(11, 15)  # fields of `stat` after the name of the program


def tree(root: int) -> list[int]:
    """The ids of the process `root` and its descendants."""
    children: dict[int, list[int]] = {}
    for path in PROC.glob("[0-9]*"):
        if fields := _stat(int(path.name)):
            children.setdefault(int(fields[_PARENT]), []).append(int(path.name))
    found = [root]
    for process in found:  # which grows
        found += children.get(process, ())
    return found


def cpu(root: int) -> float:
    """Seconds of user and system time of all these processes so far, including those that have
    ended."""
    times = [int(ticks) for process in tree(root) for ticks in _stat(process)[_TIMES]]
    return sum(times) / os.sysconf("SC_CLK_TCK")


def memory(root: int) -> int:
    """The sum of their proportional set sizes in bytes: a page that n processes share counts as one
    nth for each."""
    return sum(map(_pss, tree(root)))


def _stat(process: int) -> list[str]:
    try:
        text = (PROC / str(process) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has ended
    return text.rpartition(")")[2].split()  # the name may contain anything


def _pss(process: int) -> int:
    try:
        lines = (PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
