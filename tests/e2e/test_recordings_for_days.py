"""Recorders that are killed and started again, and that keep some of their files."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.process import until

LIMIT = 60  # seconds; a guard against hanging
PACED = "{uri: 'test:64x48@30', pace: realtime}"


@pytest.fixture(params=["ffmpeg", pytest.param("av", marks=pytest.mark.slow)])
def encoder(request: pytest.FixtureRequest) -> str:
    """Each of the encoders."""
    if request.param == "av":
        request.getfixturevalue("pyav")
    return str(request.param)


def finished(folder: Path) -> list[Path]:
    """The finished files, in their order."""
    found = (path for path in folder.rglob("*.mkv") if ".part" not in path.name)
    return sorted(found, key=lambda path: path.stat().st_mtime)


def until_finished(folder: Path, count: int) -> None:
    until(lambda: len(finished(folder)) >= count, "no segment is finished")


def test_a_recording_that_is_read_faster_than_it_plays_is_named_by_its_own_time(
    flow: Any, flowrun_here: Any, probe: Any, tmp_path: Path, encoder: str
) -> None:
    sink = f"{{uri: 'rec/%Y%m%d/%H%M%S.mkv', segment: 40s, encoder: {encoder}}}"
    path = flow(source="test:64x48@5", sink=sink, limits="{frames: 450}")
    done = flowrun_here(path, "--summary", "summary.json")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "rec").rglob("*.mkv"))
    assert [len(probe(each).times) for each in files] == [200, 200, 50]
    at = [datetime.strptime(f"{each.parent.name} {each.stem}", "%Y%m%d %H%M%S") for each in files]
    assert [b - a for a, b in pairwise(at)] == [timedelta(seconds=40)] * 2
    assert json.loads((tmp_path / "summary.json").read_text())["delivered"] == 450


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_killed_recorder_continues_beside_what_is_there(
    flow: Any, started: Any, probe: Any, tmp_path: Path, encoder: str
) -> None:
    sink = f"{{uri: 'rec/%F/%H%M%S.mkv', segment: 500ms, encoder: {encoder}}}"
    path = flow(source=PACED, sink=sink, limits=None)
    rec = tmp_path / "rec"
    for count in (2, 4):
        process = started(path)
        until_finished(rec, count)
        process.kill()
        process.wait(LIMIT)
    killed = finished(rec)
    before = {each: each.read_bytes() for each in killed}
    left = list(rec.rglob("*.part.mkv"))
    assert 1 <= len(left) <= 4  # a second one if it was killed between two segments
    process = started(path, "--summary", "summary.json")
    until_finished(rec, len(killed) + 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, said
    assert "earlier runs did not finish" in said
    assert {each: each.read_bytes() for each in killed} == before
    assert set(left) == set(rec.rglob("*.part.mkv"))
    new = [each for each in finished(rec) if each not in before]
    counts = [len(probe(each).times) for each in new]
    assert sum(counts) == json.loads((tmp_path / "summary.json").read_text())["delivered"]
    assert {len(probe(each).times) for each in killed} | set(counts[:-1]) == {15}
    assert not list(rec.rglob("*.lock"))


def test_a_second_run_of_a_pattern_ends_before_it_touches_anything(
    flow: Any, started: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    uri = "rec/%H%M%S.mkv"
    process = started(flow(source=PACED, sink=f"{{uri: '{uri}', segment: 1s}}", limits=None))
    until_finished(tmp_path / "rec", 1)
    second = flowrun_here(flow(sink=f"[{{uri: '{uri}', keep: 1ms}}, a.mp4]"))
    process.kill()
    assert second.returncode == 1
    assert f"sink[0]: {uri} is being written by another run or sink" in second.stderr
    assert finished(tmp_path / "rec")
    assert not (tmp_path / "a.mp4").exists()


def test_keep_deletes_files_of_earlier_runs_and_no_others(
    flow: Any, flowrun: Any, tmp_path: Path
) -> None:
    old = time.time() - 8 * 86_400
    own, others = ["2020-01-01/120000.mp4", "2020-01-01/120000-1.mp4"], ["notes.txt", "2020.mp4"]
    for name in (*own, *others, "2020-01-02/120000.part.mp4"):
        file = tmp_path / "rec" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("precious")
        os.utime(file, (old, old))
    done = flowrun(flow(sink="{uri: 'rec/%Y-%m-%d/%H%M%S.mp4', keep: 7d}"))
    assert done.returncode == 0, done.stderr
    assert (
        "INFO: sink.keep: 2 files (0.0 MB) match rec/%Y-%m-%d/%H%M%S.mp4; 2 of them (0.0 MB) will"
        " be deleted, from rec/2020-01-01/120000-1.mp4 to rec/2020-01-01/120000.mp4\n"
    ) in done.stderr
    folder = tmp_path / "rec"
    assert not (folder / "2020-01-01").exists()
    left = [each.relative_to(folder).as_posix() for each in folder.rglob("2020*") if each.is_file()]
    assert left == ["2020.mp4"]
    assert (folder / "notes.txt").exists()
    assert (folder / "2020-01-02/120000.part.mp4").exists()


def test_keep_does_not_delete_the_file_of_the_source(
    flow: Any, flowrun_here: Any, clip: Any, tmp_path: Path
) -> None:
    (tmp_path / "rec").mkdir()
    source = tmp_path / "rec/120000.mp4"
    source.write_bytes(clip("64x48", 5).read_bytes())
    done = flowrun_here(flow(source="rec/120000.mp4", sink="{uri: ./rec/%H%M%S.mp4, keep: 1ms}"))
    assert done.returncode == 1
    assert "`keep`" in done.stderr
    assert "it could delete rec/120000.mp4, which the source reads" in done.stderr
    assert source.exists()
