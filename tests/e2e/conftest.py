"""Run whole flows as a user does, and probe the recordings that they make."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from flowrun.cli import main
from flowrun.media.ffmpeg.process import executable
from tests.testbed.browser import Browser

LIMIT = 90  # seconds for one command; a guard against hanging, not an expectation

Flowrun = Callable[..., "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Video:
    """What ffmpeg finds in a file. `times` and `durations` are in `tick`s."""

    size: tuple[int, int]
    tick: Fraction
    times: list[int]
    durations: list[int]

    @property
    def seconds(self) -> list[float]:
        return [float(time * self.tick) for time in self.times]

    @property
    def since_first(self) -> list[float]:
        """`seconds`, counted from the first frame."""
        return [float((time - self.times[0]) * self.tick) for time in self.times]

    @property
    def length(self) -> float:
        return float((self.times[-1] + self.durations[-1] - self.times[0]) * self.tick)


def ffmpeg(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [executable(), "-hide_banner", "-nostdin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True)


@pytest.fixture(scope="session")
def probe() -> Callable[[Path], Video]:
    """Decode every frame of a file."""

    def probe(path: Path) -> Video:
        times = ("-fps_mode", "passthrough", "-enc_time_base", "filter", "-c:v", "wrapped_avframe")
        out = ffmpeg(
            *("-loglevel", "error", "-copyts", "-i", path, "-map", "0:V:0"),
            *(*times, "-f", "framecrc", "-"),
        ).stdout
        width, height = re.findall(r"#dimensions 0: (\d+)x(\d+)", out)[0]
        rows = [line.split(",") for line in out.splitlines() if not line.startswith("#")]
        return Video(
            (int(width), int(height)),
            Fraction(re.findall(r"#tb 0: (\S+)", out)[0]),
            [int(row[2]) for row in rows],
            [int(row[3]) for row in rows],
        )

    return probe


@pytest.fixture(scope="session")
def psnr() -> Callable[[Path, Path], float]:
    """The PSNR of two recordings, frame by frame, in dB; identical ones are `inf`."""

    def psnr(one: Path, other: Path) -> float:
        graph = "[0:V]setpts=N/30/TB[a];[1:V]setpts=N/30/TB[b];[a][b]psnr"
        said = ffmpeg("-i", one, "-i", other, "-filter_complex", graph, "-f", "null", "-").stderr
        return float(re.findall(r"PSNR .*average:(\S+)", said)[0])

    return psnr


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A generated recording: `clip("641x361", frames=20)`."""
    folder = tmp_path_factory.mktemp("clips")

    def clip(size: str, frames: int, rate: str = "25") -> Path:
        path = folder / f"{size}-{frames}-{rate.replace('/', '_')}.mp4"
        pixels = "yuv444p" if any(int(side) % 2 for side in size.split("x")) else "yuv420p"
        if not path.exists():
            ffmpeg(
                *("-loglevel", "error", "-f", "lavfi", "-i", f"testsrc=s={size}:r={rate},gblur=4"),
                *("-frames:v", str(frames), "-pix_fmt", pixels, "-crf", "10", path),
            )
        return path

    return clip


@pytest.fixture
def flowrun(tmp_path: Path) -> Flowrun:
    """Run the command line in an empty directory."""

    def flowrun(*words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flowrun", *map(str, words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
            env={**os.environ, **environ},
        )

    return flowrun


@pytest.fixture
def flowrun_here(folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Flowrun]:
    """Like `flowrun`, in this process, which has imported everything: many times faster, but
    without the log (which pytest captures) and without the end of the process."""

    def flowrun_here(*words: str | Path) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code = main([*map(str, words)])
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    log = logging.getLogger("flowrun")
    level = log.level
    yield flowrun_here
    log.setLevel(level)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command line in an empty directory; it is killed after the test. `program` are the
    arguments of Python that run it."""
    running: list[subprocess.Popen[str]] = []

    def start(
        *words: str | Path, program: Sequence[str] = ("-m", "flowrun")
    ) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *program, *map(str, words)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def balanced(summary: Any) -> dict[str, Any]:
    """The summary, if every captured frame has a fate."""
    assert summary["captured"] == (
        summary["delivered"]
        + sum(summary["dropped"].values())
        + sum(summary["failed"].values())
        + summary["aborted"]
    )
    return dict(summary)


class RunningFlow:
    """A run in progress, whose log can be read."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process

    def until_logged(self, pattern: str) -> str:
        """Wait for a line of the log in which the pattern is found."""
        assert self.process.stderr is not None
        log = []
        for line in self.process.stderr:
            log.append(line)
            if re.search(pattern, line):
                return line
        pytest.fail(f"the run ended without {pattern!r} in its log: {''.join(log)}")

    def ends(self, limit: float = LIMIT) -> tuple[int, dict[str, Any], str]:
        """Wait for the end: exit status, summary and the rest of the log."""
        _, log = self.process.communicate(timeout=limit)
        summary = json.loads((self.folder / "summary.json").read_text())
        return self.process.returncode, balanced(summary), log


@pytest.fixture
def running(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> Callable[..., RunningFlow]:
    """Start a flow and return while it runs."""

    def running(path: Path) -> RunningFlow:
        return RunningFlow(tmp_path, started(path, "--summary", "summary.json"))

    return running


@pytest.fixture
def finished(flowrun: Flowrun, tmp_path: Path) -> Callable[[Path], dict[str, Any]]:
    """Run a flow to its end, which must be exit status 0; its summary."""

    def finished(path: Path) -> dict[str, Any]:
        done = flowrun(path, "--summary", "summary.json")
        assert done.returncode == 0, done.stderr
        return balanced(json.loads((tmp_path / "summary.json").read_text()))

    return finished


@pytest.fixture
def refused(flowrun_here: Flowrun) -> Callable[[Path, str], None]:
    """Assert that `validate --live` reports `text`, the only problem of a flow in the empty
    directory, and that a run ends with it."""

    def refused(path: Path, text: str) -> None:
        checked = flowrun_here("validate", "--live", path.name)
        assert (checked.returncode, checked.stdout) == (
            78,
            f"{text}1 flow checked: 1 problem in 1 flow\n",
        )
        run = flowrun_here(path.name)
        assert run.returncode == 1
        assert run.stderr.endswith(text)

    return refused


class ModelServer:
    """`flowrun serve identity`, which may be killed and started again at its address."""

    def __init__(self, started: Callable[..., subprocess.Popen[str]]) -> None:
        self._started = started
        self.address = "127.0.0.1:0"

    def start(self) -> None:
        self._process = self._started("serve", "identity", "--address", self.address)
        assert self._process.stderr is not None
        found = re.search(r"serving identity at (\S+);", self._process.stderr.readline())
        assert found
        self.address = found[1]

    def kill(self, number: int = getattr(signal, "SIGKILL", signal.SIGTERM)) -> None:
        self._process.send_signal(number)
        self._process.wait(LIMIT)


@pytest.fixture
def browser(chromium: str, tmp_path: Path) -> Iterator[Browser]:
    """One tab of a real browser."""
    made = Browser(chromium, tmp_path / "profile")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def model_server(started: Callable[..., subprocess.Popen[str]]) -> ModelServer:
    """Not yet started."""
    return ModelServer(started)


@pytest.fixture
def flow(tmp_path: Path) -> Callable[..., Path]:
    """Write a flow: 20 small frames through the embedded identity into a null sink. A keyword sets
    a top-level key; its value is YAML."""

    def flow(**keys: Any) -> Path:
        lines = {
            "version": "1",
            "source": "test:64x48@30",
            "transport": "{mode: stream, address: embedded, model: identity}",
            "sink": "null",
            "limits": "{frames: 20}",
            **keys,
        }
        path = tmp_path / "flow.yaml"
        text = "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)
        path.write_text(text, encoding="utf-8")
        return path

    return flow
