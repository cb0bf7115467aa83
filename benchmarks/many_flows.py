"""`python -m benchmarks.many_flows`: the cost of flows under `flowrun up`, beside single runs.

Linux only. The processes of ffmpeg are not counted: they are the same in both.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FLOW = """version: 1
source: {uri: "test:320x240@15", pace: realtime}
transport: {mode: unary, address: embedded, model: identity}
sink: NAME.mkv
"""
FLOWRUN = (sys.executable, "-m", "flowrun")
SETTLED = 3.0  # seconds after the last start
TICKS = os.sysconf("SC_CLK_TCK")  # per second of CPU time


class Cost(NamedTuple):
    """`start` is the time until all record, `cpu` what that and `SETTLED` take, in seconds; `cores`
    are those in use afterwards; `pss` is megabytes."""

    start: float
    cpu: float
    cores: float
    pss: float


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_flows", description=__doc__)
    parser.add_argument("--flows", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(words)
    for name, together in (("single runs", False), ("flowrun up", True)):
        with tempfile.TemporaryDirectory() as folder:
            cost = measure(Path(folder), options.flows, options.seconds, together=together)
        print(
            f"{options.flows} flows, {name}: {cost.start:.1f} s and {cost.cpu:.1f} s of CPU until"
            f" they run, {cost.cores:.2f} cores, {cost.pss:.0f} MB"
        )


def measure(folder: Path, flows: int, seconds: float, *, together: bool) -> Cost:
    """The cost of `flows` flows, in one command or in as many."""
    (folder / "flows").mkdir()
    files = [folder / f"flows/cam{number}.yaml" for number in range(flows)]
    for file in files:
        file.write_text(FLOW.replace("NAME", file.stem), encoding="utf-8")
    commands = [("up", "flows")] if together else [(str(file),) for file in files]
    began = time.monotonic()
    roots = [
        subprocess.Popen([*FLOWRUN, *words], cwd=folder, stderr=subprocess.DEVNULL)
        for words in commands
    ]
    try:
        while len(list(folder.glob("*.part.mkv"))) < flows:
            time.sleep(0.02)
        start = time.monotonic() - began
        time.sleep(SETTLED)
        cpu = sum(map(cpu_of, processes(roots)))
        time.sleep(seconds)
        found = list(processes(roots))
        cores = (sum(map(cpu_of, found)) - cpu) / seconds
        return Cost(start, cpu, cores, sum(map(pss_of, found)))
    finally:
        for root in roots:
            root.send_signal(signal.SIGTERM)
        for root in roots:
            root.wait(60)


def processes(roots: Sequence[subprocess.Popen[bytes]]) -> Iterator[int]:
    """The processes below `roots`, without those of ffmpeg."""
    waiting = [root.pid for root in roots]
    while waiting:
        pid = waiting.pop()
        if "ffmpeg" not in Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]:
            yield pid
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            waiting += map(int, children.read_text().split())


def cpu_of(pid: int) -> float:
    """Seconds of CPU time of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def pss_of(pid: int) -> float:
    """The proportional set size in megabytes: shared pages are divided among their users."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:") / 1024


if __name__ == "__main__":
    main()
