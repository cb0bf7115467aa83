"""No recording is lost, whatever other runs and other programs do."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.process import until_printed

LIMIT = 60  # seconds; a guard against hanging
HOOKS = """
import os, threading
def tell(frame, result):
    if frame.index == 30:
        print("going", flush=True)
    return frame
def written(frame, result):
    if os.path.exists("out.part.mp4") and os.path.getsize("out.part.mp4") > 1000:
        print("going", flush=True)
        threading.Event().wait()
    return frame
def meanwhile(frame, result):
    if frame.index == 5:
        with open("out.mp4", "x") as file:
            file.write("precious")
    return frame
"""


@pytest.fixture(autouse=True)
def _hooks(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(HOOKS)


@pytest.fixture(params=["ffmpeg", pytest.param("av", marks=pytest.mark.slow)])
def sink(request: pytest.FixtureRequest) -> str:
    """A recording by each of the encoders."""
    if request.param == "av":
        request.getfixturevalue("pyav")
    return f"{{uri: out.mp4, encoder: {request.param}}}"


@pytest.mark.skipif(sys.platform == "win32", reason="an orphaned encoder holds its file there")
def test_the_recording_of_a_killed_run_is_kept_and_the_next_run_records(
    flow: Any, started: Any, flowrun: Any, probe: Any, tmp_path: Path, sink: str
) -> None:
    process = started(flow(sink=sink, postprocess="['hooks:written']", limits=None))
    until_printed(process, "going")
    process.kill()
    process.wait(LIMIT)
    done = flowrun(flow(sink=sink))
    assert done.returncode == 0, done.stderr
    assert (
        "WARNING: sink: an earlier run did not finish its recording out.part.mp4; it is kept as"
        " out.part-1.mp4\n" in done.stderr
    )
    assert len(probe(tmp_path / "out.mp4").times) == 20
    assert len(probe(tmp_path / "out.part-1.mp4").times) > 1
    assert sorted(path.name for path in tmp_path.glob("*out*")) == ["out.mp4", "out.part-1.mp4"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_the_second_run_of_a_path_ends_before_it_touches_anything(
    flow: Any, started: Any, flowrun_here: Any, probe: Any, tmp_path: Path, sink: str
) -> None:
    # At its own pace, so that the first run leaves the cores to the second one.
    paced = "{uri: 'test:64x48@60', pace: realtime}"
    path = flow(source=paced, sink=sink, postprocess="['hooks:tell']", limits=None)
    process = started(path, "--summary", "summary.json")
    until_printed(process, "going")
    (tmp_path / "frames.jsonl").write_text("precious")
    second = flowrun_here(
        flow(sink="[{uri: frames.jsonl, overwrite: true}, {uri: ./out.mp4, overwrite: true}]")
    )
    assert second.returncode == 1
    assert "sink[1]: out.mp4 is being written by another run or sink" in second.stderr
    assert (tmp_path / "frames.jsonl").read_text() == "precious"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert len(probe(tmp_path / "out.mp4").times) == summary["delivered"] > 30


def test_a_file_that_appears_during_the_run_stays(
    flow: Any, flowrun_here: Any, probe: Any, tmp_path: Path, sink: str
) -> None:
    done = flowrun_here(
        flow(sink=sink, postprocess="['hooks:meanwhile']"), "--summary", "summary.json"
    )
    assert done.returncode == 1
    assert (
        "error: sink: out.mp4 was created by another program; the recording is kept as out-1.mp4\n"
        in done.stderr
    )
    assert (tmp_path / "out.mp4").read_text() == "precious"
    assert len(probe(tmp_path / "out-1.mp4").times) == 20
    assert json.loads((tmp_path / "summary.json").read_text())["delivered"] == 20
