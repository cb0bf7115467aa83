"""Run clients against servers, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.job import Job
from benchmarks.servers import Servers
from flowrun.media.ffmpeg.process import executable

LIMIT = 600.0  # seconds for one client; a guard against hanging, not an expectation


@dataclass(frozen=True, slots=True)
class Clip:
    """A generated recording."""

    path: Path
    width: int
    height: int
    frames: int

    @property
    def megabytes(self) -> float:
        """The size of one picture."""
        return self.width * self.height * 3 / 1e6


@dataclass(frozen=True, slots=True)
class Measured:
    """The cost of one client; times in seconds, `p50_ms` and `p95_ms` are latencies of a frame."""

    frames: int
    seconds: float
    cpu: float
    ffmpeg_cpu: float
    rss_bytes: int
    p50_ms: float
    p95_ms: float

    @property
    def fps(self) -> float:
        return self.frames / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU time of the client per frame."""
        return self.cpu / self.frames * 1000

    @property
    def ffmpeg_ms(self) -> float:
        """CPU time of its ffmpeg processes per frame."""
        return self.ffmpeg_cpu / self.frames * 1000


def clip(folder: Path, size: str, frames: int) -> Clip:
    """Generate an H.264 recording of a moving pattern with noise, which is not trivial to decode or
    encode; once per folder."""
    width, height = map(int, size.split("x"))
    path = folder / f"{size}-{frames}.mp4"
    if not path.exists():
        picture = f"testsrc2=s={size}:r=25,noise=alls=12:allf=t,format=yuv420p"
        command = [executable(), "-nostdin", "-hide_banner", "-loglevel", "error", "-f", "lavfi"]
        command += ["-i", picture, "-frames:v", str(frames), "-c:v", "libx264"]
        command += ["-preset", "veryfast", "-crf", "28", str(path)]
        subprocess.run(command, check=True, timeout=LIMIT)
    return Clip(path, width, height, frames)


def start(case: Case, clip: Clip, out: Path, servers: Servers) -> subprocess.Popen[str]:
    """Start a client with its job."""
    job = Job(
        *(str(clip.path), str(out), clip.width, clip.height, clip.frames),
        *(servers.addresses[case.server], case.window, case.true_colors),
        *(dict(case.source), dict(case.transport), dict(case.sink)),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.client", case.way],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(job)))
    process.stdin.close()
    process.stdin = None  # or `communicate` would flush it
    return process


def finish(process: subprocess.Popen[str], clip: Clip) -> Measured:
    """Wait for the client and return its figures. Raises `RuntimeError` with its output if it
    failed, and if it did not deliver every frame."""
    out, err = process.communicate(timeout=LIMIT)
    if process.returncode:
        raise RuntimeError(f"{process.args!r} failed:\n{err}")
    measured = Measured(**json.loads(out.splitlines()[-1]))
    if measured.frames != clip.frames:
        raise RuntimeError(f"{process.args!r} delivered {measured.frames} of {clip.frames} frames")
    return measured


def rounds(
    cases: Mapping[str, Case], clip: Clip, folder: Path, servers: Servers, count: int
) -> dict[str, list[Measured]]:
    """Run every case `count` times, alternating, so that a busy machine slows all of them."""
    found: dict[str, list[Measured]] = {name: [] for name in cases}
    for number in range(count):
        names: Sequence[str] = list(cases) if number % 2 == 0 else list(cases)[::-1]
        for name in names:
            process = start(cases[name], clip, folder / "out.mp4", servers)
            found[name].append(finish(process, clip))
            print(".", end="", file=sys.stderr, flush=True)
    return found


def side_by_side(
    case: Case, clip: Clip, folder: Path, servers: Servers, count: int
) -> list[Measured]:
    """Run `count` clients at once."""
    started = [start(case, clip, folder / f"out{n}.mp4", servers) for n in range(count)]
    return [finish(process, clip) for process in started]
