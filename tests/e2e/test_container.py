"""The container image, built from its Dockerfile and run as its unprivileged user."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from flowrun.media.ffmpeg.process import executable
from tests.testbed.container import Container
from tests.testbed.process import READY_WITHIN, running, until

ROOT = Path(__file__).parents[2]
FLOW = """
version: 1
source: {{uri: 'test:160x120@30', pace: realtime}}
transport: {{mode: unary, address: embedded, model: identity}}
sink: [{name}.mkv, {name}.jsonl]
"""


@pytest.fixture
def flows(tmp_path: Path) -> Path:
    """A folder like that of a user: the unprivileged user of the image may write into it."""
    folder = tmp_path / "flows"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def run(container: Container, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        container.command(folder, *container.config["Entrypoint"], *words),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=READY_WITHIN,
        check=False,
    )


def test_the_quickstart_runs_as_the_unprivileged_user(container: Container, flows: Path) -> None:
    shutil.copy(ROOT / "flows/quickstart.yaml", flows)
    done = run(container, flows, "quickstart.yaml", "--summary", "run.json")
    assert done.returncode == 0, done.stderr
    summary = json.loads((flows / "run.json").read_text(encoding="utf-8"))
    assert (summary["captured"], summary["delivered"]) == (150, 150)
    assert (flows / "quickstart.mp4").stat().st_uid == 10001


def test_validate_imports_the_hooks_and_finds_an_error(container: Container, flows: Path) -> None:
    for path in (ROOT / "flows").glob("*.yaml"):
        shutil.copy(path, flows)
    assert run(container, flows, "validate", ".", "--imports").returncode == 0
    text = (flows / "quickstart.yaml").read_text(encoding="utf-8")
    (flows / "quickstart.yaml").write_text(text.replace("sink:", "snk:"), encoding="utf-8")
    done = run(container, flows, "validate", ".")
    assert done.returncode == 78
    assert "quickstart.yaml:9:1: error" in done.stdout + done.stderr


def test_the_user_cannot_write_to_the_programs_of_the_image(
    container: Container, flows: Path
) -> None:
    writable = "find / -xdev -writable -type d -not -path '/proc/*' 2>/dev/null"
    done = subprocess.run(
        container.command(flows, "sh", "-c", writable),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=READY_WITHIN,
        check=False,
    )
    assert not [path for path in done.stdout.split() if path.startswith(("/opt", "/usr", "/etc"))]


def test_sigterm_delivers_what_is_in_flight_and_finishes_the_file(
    container: Container, flows: Path
) -> None:
    (flows / "f.yaml").write_text(FLOW.format(name="out"))
    stopped(container, flows, "f.yaml", "--summary", "run.json", lines=["out.jsonl"])
    summary = json.loads((flows / "run.json").read_text(encoding="utf-8"))
    assert summary["captured"] == summary["delivered"] > 0
    with (flows / "out.jsonl").open() as file:
        assert len(file.readlines()) == summary["delivered"]
    plays(flows / "out.mkv")


def test_up_runs_two_flows_and_sigterm_finishes_the_files_of_both(
    container: Container, flows: Path
) -> None:
    for name in ("a", "b"):
        (flows / f"{name}.yaml").write_text(FLOW.format(name=name))
    stopped(container, flows, "up", "a.yaml", "b.yaml", lines=["a.jsonl", "b.jsonl"])
    for name in ("a", "b"):
        plays(flows / f"{name}.mkv")


def stopped(container: Container, flows: Path, *words: str, lines: list[str]) -> None:
    """Run flowrun until all files `lines` have some, and end it as a container is stopped."""
    command = " ".join([*container.config["Entrypoint"], *words])
    log = flows.parent / "log"
    with running(
        container.command(flows, "sh", "-c", f"echo $$ > pid; exec {command}"), log
    ) as process:
        for name in lines:
            path = flows / name
            until(partial(_has_lines, path), f"no frame was delivered to {name}")
        stop = signal.Signals[container.config["StopSignal"]]
        os.kill(int((flows / "pid").read_text()), stop)
        assert process.wait(READY_WITHIN) == 143, log.read_text()


def _has_lines(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 1000


def plays(path: Path) -> None:
    ffmpeg = [executable(), "-v", "error", "-i", str(path), "-f", "null", "-"]
    subprocess.run(ffmpeg, check=True, timeout=READY_WITHIN, stdin=subprocess.DEVNULL)
