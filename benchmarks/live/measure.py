"""Run the clients, and measure them from outside while they run."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.live import processes
from benchmarks.live.cases import Way
from benchmarks.live.job import Job
from benchmarks.live.model import SECONDS as MODEL_SECONDS
from benchmarks.live.site import Site, opencv_python

REPOSITORY = Path(__file__).parents[2]
LIMIT = 60.0  # seconds for the start and the end of a client; a guard against hanging


@dataclass(frozen=True, slots=True)
class Measured:
    """One way in one round. `cores`, `fps`, `decoded_fps` and `memory_bytes` are per camera;
    `p50_ms` and `p95_ms` are latencies of a result without the time of the model."""

    cores: float
    fps: float
    decoded_fps: float
    p50_ms: float
    p95_ms: float
    memory_bytes: float


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: `settle` from the first results until measuring starts, `measure` from then on."""

    settle: float
    measure: float


def rounds(
    ways: Mapping[str, Way], site: Site, times: Times, count: int
) -> dict[str, list[Measured]]:
    """Run every way `count` times, alternating, so that a busy machine slows all of them."""
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    for number in range(count):
        names: Sequence[str] = list(ways) if number % 2 == 0 else list(ways)[::-1]
        for name in names:
            found[name].append(run(ways[name], site, times))
            print(".", end="", file=sys.stderr, flush=True)
    return found


def run(way: Way, site: Site, times: Times) -> Measured:
    """Run one client for each camera at once. Raises `RuntimeError` with the output of a client
    that failed."""
    with ExitStack() as running:
        clients = [_start(way, site, model, running) for model in site.models]
        for client in clients:
            _wait_until_started(client)
        time.sleep(times.settle)
        begin, before = time.monotonic(), _cpu(clients)
        time.sleep(times.measure)
        end, after = time.monotonic(), _cpu(clients)
        memory = sum(processes.memory(client.pid) for client in clients)
        records = [_finish(client) for client in clients]
    decoded = [at for record in records for at in record["decoded"] if begin <= at < end]
    latencies = sorted(
        latency for record in records for at, latency in record["analysed"] if begin <= at < end
    )
    if not latencies:
        raise RuntimeError(f"{way} analysed no frame within {times.measure} s")
    p50, p95 = (latencies[int(share * (len(latencies) - 1))] for share in (0.5, 0.95))
    seconds = (end - begin) * len(clients)
    return Measured(
        cores=(after - before) / seconds,
        fps=len(latencies) / seconds,
        decoded_fps=len(decoded) / seconds,
        p50_ms=(p50 - MODEL_SECONDS) * 1000,
        p95_ms=(p95 - MODEL_SECONDS) * 1000,
        memory_bytes=memory / len(clients),
    )


def _start(way: Way, site: Site, model: str, running: ExitStack) -> subprocess.Popen[str]:
    python = opencv_python() if way.module == "by_hand" else sys.executable
    assert python is not None
    process = subprocess.Popen(
        [python, "-m", "benchmarks.live.client", way.module],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    running.enter_context(process)
    running.callback(process.kill)
    job = Job(site.url, site.address, model, way.decoder, way.retrieve)
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(job)) + "\n")
    process.stdin.flush()
    return process


def _wait_until_started(client: subprocess.Popen[str]) -> None:
    assert client.stdout is not None
    if not select.select([client.stdout], [], [], LIMIT)[0]:
        client.kill()  # or it would never end
    if client.stdout.readline() != "started\n":
        raise RuntimeError(f"{client.args!r} did not start:\n{client.communicate()[1]}")


def _cpu(clients: Sequence[subprocess.Popen[str]]) -> float:
    return sum(processes.cpu(client.pid) for client in clients)


def _finish(client: subprocess.Popen[str]) -> dict[str, Any]:
    """End the client, and return its record."""
    out, err = client.communicate(timeout=LIMIT)  # closes its standard input
    if client.returncode:
        raise RuntimeError(f"{client.args!r} failed:\n{err}")
    record: dict[str, Any] = json.loads(out.splitlines()[-1])
    return record
