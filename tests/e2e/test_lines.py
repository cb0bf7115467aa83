"""Lines of JSON beside a video, or alone: to standard output and to a web server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowrun.media.lines import queued
from tests.testbed.process import free_ports

HOOKS = "def third(frame, result): return frame.attach(hit=frame.index % 3 == 0)\n"


@pytest.fixture
def hooks(tmp_path: Path) -> None:
    (tmp_path / "line_hooks.py").write_text(HOOKS)


def lines(text: str) -> list[int]:
    return [json.loads(line)["index"] for line in text.splitlines()]


def test_standard_output_has_the_lines_and_nothing_else(flow: Any, flowrun: Any) -> None:
    done = flowrun(flow(sink='"-"', limits="{frames: 20}"), "--summary", "summary.json")
    assert done.returncode == 0
    assert lines(done.stdout) == list(range(20))


def test_a_reader_that_ends_is_an_error_of_the_sink(
    flow: Any, started: Callable[..., subprocess.Popen[str]]
) -> None:
    path = flow(source="{uri: 'test:64x48@50', pace: realtime}", sink='"-"', limits=None)
    process = started(path)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["index"] == 0
    process.stdout.close()
    process.stdout = None
    assert process.wait(30) == 1
    assert process.stderr is not None
    assert "sink: standard output cannot be written: Broken pipe" in process.stderr.read()


def test_only_selected_frames_are_written_each_with_its_time(
    flow: Any, flowrun_here: Any, probe: Any, hooks: None, tmp_path: Path
) -> None:
    path = flow(
        source="test:64x48@10",
        postprocess='["line_hooks:third"]',
        sink="[{uri: hits.mkv, when: hit}, {uri: hits.jsonl, when: hit}, all.jsonl]",
        limits="{frames: 30}",
    )
    done = flowrun_here(path, "--summary", "summary.json")
    assert done.returncode == 0, done.stderr
    selected = list(range(0, 30, 3))
    assert lines((tmp_path / "hits.jsonl").read_text()) == selected
    assert lines((tmp_path / "all.jsonl").read_text()) == list(range(30))
    video = probe(tmp_path / "hits.mkv")
    assert [round(time, 2) for time in video.seconds] == [index / 10 for index in selected]
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["delivered"] == 30
    assert [each["delivered"] for each in summary["sinks"]] == [10, 10, 30]
    first = json.loads((tmp_path / "all.jsonl").read_text().splitlines()[0])
    assert first["run"] == summary["run"]


def test_a_name_that_no_hook_attaches_is_warned_of(
    flow: Any, flowrun_here: Any, hooks: None, caplog: pytest.LogCaptureFixture
) -> None:
    sink = "{uri: hits.jsonl, when: hits}"
    done = flowrun_here(flow(postprocess='["line_hooks:third"]', sink=sink, limits="{frames: 5}"))
    assert done.returncode == 0
    assert "sink.when: no hook has attached anything named 'hits'" in caplog.text


def test_a_web_server_that_is_unavailable_costs_the_video_nothing(
    flow: Any,
    flowrun_here: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(queued, "FLUSH", 0.1)
    (port,) = free_ports(1)
    sink = f"[out.mkv, 'http://127.0.0.1:{port}/events']"
    done = flowrun_here(flow(sink=sink, limits="{frames: 40}"), "--summary", "summary.json")
    assert done.returncode == 0, done.stderr
    assert f"http://127.0.0.1:{port}/events is unavailable: " in caplog.text
    assert "40 lines were not sent" in caplog.text
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["delivered"] == 40
    assert [(each["delivered"], each["failed"]) for each in summary["sinks"]] == [(40, 0), (0, 40)]
    assert summary["unavailable_s"]["sink"] > 0
