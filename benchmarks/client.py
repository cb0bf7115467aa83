"""Measure one client: `python -m benchmarks.client WAY` with a job as JSON on standard input.

Imports the way, prepares it, runs the job and prints its cost as JSON: the seconds from the first
read to the finished file, the CPU time of this process and of its ffmpeg children, peak memory.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time

from benchmarks.job import Job


def main(way: str) -> None:
    job = Job(**json.load(sys.stdin))
    run = importlib.import_module(f"benchmarks.ways.{way}").ready(job)
    before, children, began = _cpu(resource.RUSAGE_SELF), _cpu(resource.RUSAGE_CHILDREN), _now()
    outcome = run()
    seconds = _now() - began
    measured = {
        "frames": outcome.frames,
        "seconds": seconds,
        "cpu": _cpu(resource.RUSAGE_SELF) - before,
        "ffmpeg_cpu": _cpu(resource.RUSAGE_CHILDREN) - children,
        "rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "p50_ms": outcome.latencies[0],
        "p95_ms": outcome.latencies[1],
    }
    print(json.dumps(measured))


def _cpu(whose: int) -> float:
    usage = resource.getrusage(whose)
    return usage.ru_utime + usage.ru_stime


def _now() -> float:
    return time.monotonic()


if __name__ == "__main__":
    main(sys.argv[1])
