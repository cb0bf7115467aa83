"""The live camera of the benchmarks runs, and its figures match their names."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.live import compare, processes
from benchmarks.live.cases import BY_HAND, QUICK, WAYS
from benchmarks.live.measure import Measured
from benchmarks.live.site import OPENCV_PYTHON, RTSP_PYTHON

REPOSITORY = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
BY_HAND_WAYS = [name for name, way in WAYS.items() if way.module == "by_hand"]


@LINUX
@pytest.mark.slow
@pytest.mark.usefixtures("rtsp_server")
def test_the_smoke_run_measures_every_way_and_writes_table_and_json(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "live", "--quick", "--out", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "live.json").read_text())
    assert found["skipped"] == {}
    assert list(found["cameras"]) == [cameras.name for cameras in QUICK]
    for rows in found["cameras"].values():
        assert [row["way"] for row in rows] == list(WAYS)
        assert all(row["cores"] > 0 and row["memory_bytes"] > 0 for row in rows)
        assert all(0 < row["fps"] <= row["decoded_fps"] for row in rows)
    assert all(f"| {name} |" in done.stdout for name in WAYS)


def test_without_an_rtsp_server_the_case_is_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(RTSP_PYTHON, raising=False)
    found = compare.everything(tmp_path, 1, quick=True)
    assert found["cameras"] == {}
    assert list(found["skipped"]) == ["live camera"]
    assert compare.text(found).startswith("live camera: skipped, ")


def test_without_opencv_the_loops_by_hand_are_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(OPENCV_PYTHON, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    why = "FLOWRUN_OPENCV_PYTHON names no Python that has OpenCV and tritonclient"
    assert compare.skipped() == dict.fromkeys(BY_HAND_WAYS, why)
    monkeypatch.setenv(OPENCV_PYTHON, sys.executable)
    assert compare.skipped() == {}


def measured(cores: float, fps: float) -> Measured:
    return Measured(cores, fps, 30.0, 10.0, 20.0, 2**20 * 100)


def test_a_ratio_is_the_median_of_the_ratios_within_each_round() -> None:
    found = {
        BY_HAND: [measured(0.2, 10.0), measured(0.4, 5.0), measured(0.2, 8.0)],
        "flowrun": [measured(0.4, 5.0), measured(0.4, 5.0), measured(0.1, 4.0)],
    }
    by_hand, flowrun = compare.rows(found)
    assert by_hand["cores_by_hand"] == by_hand["fps_by_hand"] == [1.0, 1.0, 1.0]
    assert flowrun["cores_by_hand"] == [1.0, 0.5, 2.0]
    assert flowrun["fps_by_hand"] == [0.5, 0.5, 1.0]
    assert (flowrun["cores"], flowrun["fps"]) == (0.4, 5.0)


def test_without_the_loop_by_hand_there_are_no_ratios() -> None:
    (row,) = compare.rows({"flowrun": [measured(0.25, 9.5)]})
    assert row["cores_by_hand"] is None
    text = compare.text({"cameras": {"1 x 64x48": [row]}, "skipped": {}})
    assert "| flowrun | 0.25 | 9.5 | 30.0 | 10 / 20 | 100 | - | - | - |" in text


@LINUX
def test_cpu_and_memory_are_those_of_a_process_and_its_descendants() -> None:
    child = (
        "import sys, time\nwhile time.process_time() < 0.2: pass\n"
        "print('busy', flush=True)\nsys.stdin.read()"
    )
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\nprint(child.pid, flush=True)\nsys.exit(child.wait())"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        inner = int(process.stdout.readline())
        assert processes.tree(process.pid) == [process.pid, inner]
        assert processes.cpu(inner) > 0.1  # in ticks, thus not exactly what the process counts
        assert processes.cpu(process.pid) > processes.cpu(inner)
        assert processes.memory(process.pid) > processes.memory(inner) > 0
        process.stdin.close()
    assert processes.cpu(inner) == 0  # it has ended
