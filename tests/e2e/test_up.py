"""`flowrun up` with real processes, ended and killed as users and machines do it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Video
from tests.testbed.browser import DESK, PHONE, Browser
from tests.testbed.process import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

FLOW = """version: 1
source: {source}
transport: {{mode: unary, address: embedded, model: identity}}
preprocess: ["hooks:{hook}"]
sink: {sink}
"""
HOOKS = """
import os
def same(frame):
    return frame
def crash(frame):
    if frame.index == 3:
        os._exit(9)
    return frame
"""
SPAWNED = """
import sys
from flowrun import cli
from flowrun.cli import up
from flowrun.up.children import SpawnLauncher
up._launcher = lambda: SpawnLauncher([sys.executable, "-m", "flowrun.cli.supervised"])
sys.exit(cli.main())
"""
AS_FIRST = """
import ctypes, sys
from flowrun import cli
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
sys.exit(cli.main())
"""


class Up:
    """A running supervisor, whose log is read line by line."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.process = process
        self.log = ""
        self.metrics = self.web = ""

    def until_logged(self, pattern: str, flow: str | None = None) -> dict[str, Any]:
        """The next line of the log of `flow` in which `pattern` is found."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log += line
            found: dict[str, Any] = json.loads(line)
            if flow in (None, found.get("flow")) and re.search(pattern, found["message"]):
                return found
        pytest.fail(f"ended without {pattern!r} of {flow}: {self.log}")

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.metrics}{path}", timeout=30) as response:
            return str(response.read().decode())

    def flow(self, name: str) -> dict[str, Any]:
        """The status of a flow; empty if there is none."""
        flows: list[dict[str, Any]] = json.loads(self.get("/status"))["flows"]
        return next((each for each in flows if each["name"] == name), {})

    def until_delivered(self, name: str, by_another_than: int = 0) -> int:
        """Wait until a flow has delivered some frames; the id of its process."""

        def delivers() -> bool:
            flow = self.flow(name)
            run = flow.get("run")
            return run is not None and flow["pid"] != by_another_than and run["delivered"] > 2

        until(delivers, f"{name} delivers nothing: {self.log}")
        return int(self.flow(name)["pid"])

    def ends(self, number: int) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.process.send_signal(number)
        self.log += self.rest()
        return self.process.wait(60)

    def rest(self) -> str:
        """The log from here to the end. (`communicate` would miss what is buffered.)"""
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def lost_nothing(self, flow: str) -> bool:
        """Whether the last run of a flow says that it has delivered each frame."""
        summaries = [
            found["message"]
            for found in map(json.loads, self.log.splitlines())
            if found.get("flow") == flow and ": captured" in found["message"]
        ]
        numbers = re.findall(r"captured (\d+) = delivered (\d+) ", summaries[-1])
        return len(numbers) == 1 and numbers[0][0] == numbers[0][1]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a flow: a small test pattern, to a file or to nothing."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "hooks.py").write_text(HOOKS)

    def write(
        name: str,
        sink: str = "'null'",
        hook: str = "same",
        source: str = "{uri: test:64x48@15, pace: realtime}",
    ) -> Path:
        path = tmp_path / f"flows/{name}.yaml"
        path.write_text(FLOW.format(source=source, sink=sink, hook=hook))
        return path

    return write


@pytest.fixture
def up(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> Iterator[Callable[..., Up]]:
    """Start `flowrun up flows`, which is interrupted after the test."""
    running: list[Up] = []

    def up(*words: str, program: tuple[str, ...] = ("-m", "flowrun")) -> Up:
        options = ("--metrics", "127.0.0.1:0", "--log-format", "json")
        made = Up(tmp_path, started("up", "flows", *options, *words, program=program))
        running.append(made)
        made.metrics = made.until_logged("metrics: ")["message"].split()[1][: -len("/metrics")]
        return made

    yield up
    for each in running:
        if each.process.poll() is None:
            each.process.send_signal(signal.SIGINT)
            each.process.communicate(timeout=60)


def gone(*pids: int) -> bool:
    """Whether none of these processes exists."""
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_flows_fail_alone_and_ctrl_c_ends_all_with_files_that_play(
    up: Callable[..., Up], write: Callable[..., Path], probe: Callable[[Path], Video]
) -> None:
    write("calm", sink="calm.mkv")
    write("killed", sink="killed.mkv")
    write("crash", hook="crash")
    write("typo").write_text("version: 1\nsource: test\nlimts: {}\n")
    running = up()
    pids = [running.until_delivered(name) for name in ("calm", "killed")]
    os.kill(pids[1], signal.SIGKILL)
    running.until_logged("exit code 137; next start in 1 s", "killed")
    pids.append(running.until_delivered("killed", by_another_than=pids[1]))
    metrics = running.get("/metrics")
    assert set(re.findall(r'flowrun_frames_captured_total\{flow="(\w+)"', metrics)) >= {
        "calm",
        "killed",
    }
    assert re.search(r'^flowrun_restarts_total\{flow="killed"\} 1$', metrics, re.MULTILINE)
    assert (running.flow("typo")["process"], running.flow("calm")["restarts"]) == ("invalid", 0)
    assert running.ends(signal.SIGINT) == 130
    assert gone(*pids)
    assert "limts" in running.log
    assert "exit code 9; next start in 1 s" in running.log
    assert running.lost_nothing("calm")
    assert running.lost_nothing("killed")
    for file in ("calm.mkv", "killed.mkv"):
        assert len(probe(running.folder / file).times) > 2


@pytest.mark.slow
@pytest.mark.parametrize("program", [("-m", "flowrun"), ("-c", SPAWNED)], ids=["fork", "spawn"])
def test_no_process_outlives_a_killed_supervisor_and_the_files_play(
    up: Callable[..., Up],
    write: Callable[..., Path],
    probe: Callable[[Path], Video],
    program: tuple[str, ...],
) -> None:
    write("a", sink="a.mp4")
    write("b", source="udp://127.0.0.1:9")  # waits for its source
    running = up(program=program)
    pids = [running.until_delivered("a")]
    until(lambda: running.flow("b").get("run") is not None, "b does not run")
    pids.append(int(running.flow("b")["pid"]))
    running.process.kill()
    until(lambda: gone(*pids), "a flow outlives its supervisor")
    assert len(probe(running.folder / "a.mp4").times) > 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="there are zygotes on Linux only")
@pytest.mark.parametrize(
    "program", [("-m", "flowrun"), ("-c", AS_FIRST)], ids=["orphans to init", "orphans to up"]
)
def test_a_killed_zygote_is_replaced_and_its_flows_are_started_again(
    up: Callable[..., Up], write: Callable[..., Path], program: tuple[str, ...]
) -> None:
    write("a")
    running = up(program=program)
    pid = running.until_delivered("a")
    stat = Path(f"/proc/{pid}/stat").read_text()
    os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
    running.until_logged("next start in 1 s", "a")
    running.until_delivered("a", by_another_than=pid)
    assert gone(pid)
    assert running.ends(signal.SIGTERM) == 143


@pytest.mark.slow
@pytest.mark.parametrize("by", ["watch", "hangup"])
def test_only_a_changed_flow_is_restarted_and_a_broken_change_is_not_used(
    up: Callable[..., Up], write: Callable[..., Path], by: str
) -> None:
    changed = write("changed")
    write("calm")
    running = up(*(["--watch"] if by == "watch" else []))
    calm, old = (running.until_delivered(name) for name in ("calm", "changed"))

    def read() -> None:
        if by == "hangup":
            running.process.send_signal(signal.SIGHUP)

    write("changed", source="{uri: test:32x32@15, pace: realtime}")
    read()
    running.until_logged("its file has changed", "changed")
    running.until_delivered("changed", by_another_than=old)
    assert running.flow("changed")["run"]["source"]["width"] == 32
    changed.write_text("version: 1\nsource: [")
    read()
    running.until_logged("the former version stays in use", "changed")
    changed.unlink()
    write("added")
    read()
    running.until_delivered("added")
    running.until_logged("stopped", "changed")
    assert running.flow("calm")["pid"] == calm
    assert running.ends(signal.SIGINT) == 130
    assert running.lost_nothing("calm")


@pytest.mark.slow
def test_flows_go_on_when_their_folder_is_missing(
    up: Callable[..., Up], write: Callable[..., Path]
) -> None:
    folder = write("a").parent
    pid = (running := up()).until_delivered("a")
    folder.rename(folder.with_name("moved"))
    running.process.send_signal(signal.SIGHUP)
    running.until_logged("there is no flow any more; the flows stay as they are")
    folder.with_name("moved").rename(folder)
    running.process.send_signal(signal.SIGHUP)
    running.until_logged("SIGHUP")
    assert running.until_delivered("a") == pid
    assert running.ends(signal.SIGTERM) == 143
    assert running.lost_nothing("a")


@pytest.mark.slow
def test_a_second_signal_aborts(up: Callable[..., Up], write: Callable[..., Path]) -> None:
    write("a")
    (running := up()).until_delivered("a")
    (running.folder / "hooks.py").write_text("import time\ndef same(frame): time.sleep(1000)\n")
    write("stuck")
    running.process.send_signal(signal.SIGHUP)
    until(lambda: _runs(running, "stuck"), "it does not run")
    pid = running.flow("stuck")["pid"]
    running.process.send_signal(signal.SIGINT)
    running.until_logged("stopping")
    assert running.ends(signal.SIGINT) == 130
    assert gone(pid)


def _runs(running: Up, name: str) -> bool:
    return bool(running.flow(name).get("process") == "running")


@pytest.mark.slow
def test_up_ends_with_its_last_flow(
    up: Callable[..., Up], write: Callable[..., Path], clip: Callable[..., Path]
) -> None:
    path = write("a", source=str(clip("64x48", 5)))
    write("b").write_text(f"{path.read_text()}name: a\n")  # a name that another flow has
    running = up()
    rest = running.rest()
    assert "ended: done" in rest
    assert "the name 'a' is also that of" in running.log + rest
    assert running.process.wait(60) == 78


@pytest.mark.slow
def test_a_path_without_a_flow_is_logged_and_is_exit_code_78_when_the_others_have_ended(
    started: Callable[..., subprocess.Popen[str]], write: Callable[..., Path]
) -> None:
    path = write("a", source="test:64x48@15")
    path.write_text(f"{path.read_text()}limits: {{frames: 3}}\n")
    path.with_name("compose.yaml").write_text("services: {}\n")
    process = started("up", "flows", "none.yaml", "--log-format", "json")
    _, error = process.communicate(timeout=60)
    lines = [json.loads(line) for line in error.splitlines()]  # nothing but JSON
    messages = [line["message"] for line in lines]
    assert messages[:2] == [
        "none.yaml:1:1: error: there is no such file",
        "flows: 1; other YAML files, skipped: 1",
    ]
    assert messages[-1] == "ended: done"
    assert process.returncode == 78


@pytest.mark.slow
def test_the_page_shows_every_flow_on_desk_and_phone_and_leads_to_its_own(
    up: Callable[..., Up], write: Callable[..., Path], browser: Browser
) -> None:
    for number in range(3):
        write(f"cam{number}")
    write("gone", source="rtsp://127.0.0.1:9/cam")
    write("crash", hook="crash")
    write("typo").write_text("version: 1\nsource: test\nlimts: {}\n")
    running = up("--web", "127.0.0.1:0")
    browser.open(running.until_logged("watch the flows")["message"].split()[-1])
    for number in range(3):
        browser.wait_for(f"{_card(f'cam{number}')}?.querySelector('img').naturalWidth === 64")
    browser.wait_for(f"/exit code 9/.test({_card('crash')}.textContent)")
    assert "rtsp://127.0.0.1:9/cam is not open yet" in browser.value(f"{_card('gone')}.textContent")
    assert "unknown key `limts`" in browser.value(f"{_card('typo')}.textContent")
    for size in (DESK, PHONE):
        browser.looks(size, "light")
        assert browser.value("document.documentElement.scrollWidth <= innerWidth")
        assert browser.value("document.querySelectorAll('article').length") == 6
    browser.value(f"{_card('cam1')}.querySelector('a').click()")
    browser.wait_for("document.getElementById('picture')?.naturalWidth === 64")
    browser.wait_for("document.getElementById('flow').textContent === 'cam1'")
    browser.value("document.getElementById('all').click()")
    browser.wait_for("document.querySelectorAll('article').length === 6")
    assert browser.complaints == []


def _card(name: str) -> str:
    """The card of a flow on the page, in JavaScript; undefined while there is none."""
    cards = "[...document.querySelectorAll('article')]"
    return f"{cards}.find(card => card.querySelector('h2').textContent === '{name}')"
