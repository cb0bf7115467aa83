"""Ctrl-C, SIGTERM and SIGHUP: what was delivered plays, and nothing holds up the second signal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.process import until_printed

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")

LIMIT = 60  # seconds; a guard against hanging

STOPPING = "flowrun: INFO: stopping: frames in flight are finished first; a second signal aborts\n"
HOOKS = """
import os, threading, time
seen = 0
def tell(frame, result):
    global seen
    seen += 1
    if seen == 30:
        print("going", flush=True)
    return frame
def written(frame, result):
    if os.path.exists("out.part.mp4") and os.path.getsize("out.part.mp4") > 1000:
        hold(frame, result)
    return frame
def hold(frame, result=None):
    print("going", flush=True)
    block()
def block():
    threading.Event().wait()
class Hook:
    def __call__(self, frame):
        return frame
class Unborn(Hook):
    def __init__(self):
        hold(None)
class Unclosed(Hook):
    def close(self):
        hold(None)
class Thread(Hook):
    def __init__(self):
        threading.Thread(target=block).start()
class AtExit(Hook):
    def __init__(self):
        import atexit
        atexit.register(block)
class Forked(Hook):
    def __init__(self):
        import multiprocessing
        child = multiprocessing.get_context("fork").Process(target=block)
        child.start()
"""


def twice(process: subprocess.Popen[str], number: int) -> None:
    """Two signals, the second one when the first one has been heard."""
    process.send_signal(number)
    assert process.stderr is not None
    assert any(line.endswith(STOPPING) for line in iter(process.stderr.readline, ""))
    process.send_signal(number)


@pytest.fixture(params=["ffmpeg", pytest.param("av", marks=pytest.mark.slow)])
def sink(request: pytest.FixtureRequest) -> str:
    """A recording by each of the encoders."""
    if request.param == "av":
        request.getfixturevalue("pyav")
    return f"{{uri: out.mp4, encoder: {request.param}}}"


@pytest.mark.parametrize(
    "ending",
    [
        (signal.SIGINT, 130),
        pytest.param((signal.SIGTERM, 143), marks=pytest.mark.slow),
        pytest.param((getattr(signal, "SIGHUP", 1), 129), marks=pytest.mark.slow),
    ],
)
def test_the_first_signal_finishes_a_file_with_every_delivered_frame(
    flow: Any, started: Any, probe: Any, tmp_path: Path, ending: tuple[int, int], sink: str
) -> None:
    number, code = ending
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = flow(sink=sink, postprocess="['hooks:tell']", limits=None)
    process = started(path, "--summary", "summary.json")
    until_printed(process, "going")
    process.send_signal(number)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == code, said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["captured"] == summary["delivered"] >= 30
    assert len(probe(tmp_path / "out.mp4").times) == summary["delivered"]
    assert not (tmp_path / "out.part.mp4").exists()


def test_a_hangup_is_ignored_under_nohup(flow: Any, started: Any, tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    nohup = (
        "import signal, sys; from flowrun.cli import main;"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN); sys.exit(main(sys.argv[1:]))"
    )
    path = flow(postprocess="['hooks:tell']", limits=None)
    process = started(path, program=("-c", nohup))
    assert process.stdout.readline() == "going\n"  # the process is not the command's
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    assert said.count(STOPPING) == 1


def test_a_second_signal_finishes_the_file_though_a_hook_never_returns(
    flow: Any, started: Any, probe: Any, tmp_path: Path, sink: str
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    process = started(flow(sink=sink, postprocess="['hooks:written']", limits=None))
    until_printed(process, "going")
    twice(process, signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    assert len(probe(tmp_path / "out.part.mp4").times) > 1


def test_a_second_signal_ends_even_a_run_whose_hook_never_returns(
    flow: Any, started: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = flow(sink="out.mp4", postprocess="['hooks:hold']", limits=None)
    process = started(path, "--summary", "summary.json")
    until_printed(process, "going")
    twice(process, signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    assert re.search(
        r"^flowrun: postprocess\[0\]: hooks:hold at frame 0 \(.*hooks\.py:\d+\) has not returned;"
        r" exiting without waiting$",
        said,
        re.MULTILINE,
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["captured"] == summary["aborted"] > 0


@pytest.mark.slow
def test_a_second_signal_leaves_a_preprocess_hook_behind(
    flow: Any, started: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = flow(preprocess="['hooks:hold']", limits=None)
    process = started(path, "--summary", "summary.json")
    until_printed(process, "going")
    twice(process, signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    assert re.search(r"preprocess\[0\]: hooks:hold at frame 0 \(.*\) has not returned", said)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["captured"] == summary["aborted"] > 0


@pytest.mark.parametrize("name", ["Unborn", pytest.param("Unclosed", marks=pytest.mark.slow)])
def test_a_second_signal_ends_a_run_whose_hook_never_opens_or_closes(
    flow: Any, started: Any, tmp_path: Path, name: str
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    path = flow(preprocess=f"['hooks:{name}']")
    process = started(path, "--summary", "summary.json")
    until_printed(process, "going")
    twice(process, signal.SIGTERM)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 143, said
    where = {"Unborn": "constructor", "Unclosed": r"close\(\)"}[name]
    pattern = rf"preprocess\[0\]: hooks:{name} in its {where} \(.*hooks\.py:\d+\) has not returned"
    assert re.search(pattern, said)
    assert (tmp_path / "summary.json").exists()


@pytest.mark.slow
def test_a_run_whose_hook_never_closes_fails(flow: Any, started: Any, tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    process = started(flow(preprocess="['hooks:Unclosed']"), "--summary", "summary.json")
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, said
    assert re.search(r"hooks:Unclosed in its close\(\) \(.*\) has not returned", said)
    assert json.loads((tmp_path / "summary.json").read_text())["delivered"] == 20


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Thread", r"thread '.*' of preprocess\[0\]: hooks:Thread \(.*hooks\.py:\d+\)"),
        pytest.param(
            "AtExit",
            r"an exit handler or a destructor of preprocess\[0\]: hooks:AtExit \(.*\)",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "Forked", r"process '.*' of preprocess\[0\]: hooks:Forked", marks=pytest.mark.slow
        ),
    ],
)
def test_what_a_hook_leaves_behind_does_not_keep_the_process(
    flow: Any, started: Any, tmp_path: Path, name: str, what: str
) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)
    process = started(flow(preprocess=f"['hooks:{name}']"), "--summary", "summary.json")
    said = process.communicate(timeout=LIMIT)[1]  # it ends when no child process is left either
    assert process.returncode == 0, said
    assert re.search(rf"^flowrun: {what} has not ended; exiting without waiting$", said, re.M)
    assert json.loads((tmp_path / "summary.json").read_text())["delivered"] == 20


@pytest.mark.parametrize(
    "end", ["return frame", pytest.param("raise ValueError('a copy')", marks=pytest.mark.slow)]
)
def test_a_process_that_a_hook_forks_ends_where_the_hook_does(
    flow: Any, flowrun: Any, tmp_path: Path, end: str
) -> None:
    (tmp_path / "hooks.py").write_text(
        "import os\n"
        "def fork(frame):\n"
        "    if frame.index == 5 and os.fork() == 0:\n"
        f"        {end}\n"
        "    return frame\n"
    )
    done = flowrun(flow(preprocess="['hooks:fork']", sink="out.jsonl"), "--summary", "-")
    assert done.returncode == 0, done.stderr  # its pipes are closed, so the child has ended
    assert json.loads(done.stdout)["delivered"] == 20
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 20
    what = "returned in it" if end == "return frame" else "raised in it: HookError: .*: a copy .*"
    pattern = rf"warning: preprocess\[0\]: hooks:fork at frame 5 forked a process and {what}; the"
    assert re.search(pattern, done.stderr)


def test_a_second_signal_aborts_what_is_in_flight(flow: Any, started: Any, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "import threading\n"
        "def never(image):\n"
        "    print('going', flush=True)\n"
        "    threading.Event().wait()\n"
    )
    transport = "{mode: unary, address: embedded, model: 'model:never', timeout: 1h}"
    process = started(flow(transport=transport, limits=None), "--summary", "summary.json")
    until_printed(process, "going")
    twice(process, signal.SIGTERM)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 143, said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["captured"] == summary["aborted"] > 0
