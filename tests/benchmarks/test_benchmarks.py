"""The benchmarks run, and their figures match their names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import table
from benchmarks.__main__ import skipped
from benchmarks.cases import CASES, DEMO, DEMO_TRITON, FLOOR
from benchmarks.live.site import RTSP_PYTHON
from benchmarks.measure import Measured
from benchmarks.servers import Servers
from tests.testbed.kserve import TRITON_PYTHON

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no getrusage")
def test_the_smoke_run_measures_every_case_and_writes_table_json_and_picture(
    tmp_path: Path,
) -> None:
    pytest.importorskip("cv2")
    pytest.importorskip("av")
    triton = bool(os.environ.get(TRITON_PYTHON))
    there = [name for name, case in CASES.items() if triton or case.server != "triton"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--out", str(tmp_path)],
        cwd=REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != RTSP_PYTHON},
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [row["case"] for row in found["compared"]] == there
    assert all(row["fps"] > 0 and row["cpu_ms"] > 0 for row in found["compared"])
    assert [each["flows"] for each in found["side_by_side"]] == [1, 2]
    assert all(f"| {case} |" in done.stdout for case in there)
    assert all(f"\n{case}: skipped, " in done.stdout for case in CASES if case not in there)
    assert list(found["live"]["skipped"]) == ["live camera"]  # it has a smoke test of its own
    assert "\nlive camera: skipped, " in done.stdout
    picture = ElementTree.fromstring((tmp_path / "benchmarks.svg").read_text())
    assert len(picture.findall(".//{http://www.w3.org/2000/svg}polyline")) == 9


def test_without_triton_its_cases_are_skipped_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(TRITON_PYTHON, raising=False)
    with Servers() as servers:
        assert {"grpc", "unix", "tcp", "serve"} == set(servers.addresses)
        why = "FLOWRUN_TRITON_PYTHON names no Python that has nvidia-pytriton"
        assert skipped(servers) == {
            name: why for name, case in CASES.items() if case.server == "triton"
        }


def measured(seconds: float, cpu: float) -> Measured:
    return Measured(100, seconds, cpu, 1.0, 1, 10.0, 20.0)


def test_a_ratio_is_the_median_of_the_ratios_within_each_round() -> None:
    found = {
        FLOOR: [measured(1.0, 1.0), measured(2.0, 2.0), measured(4.0, 1.0)],
        "flowrun": [measured(2.0, 2.0), measured(8.0, 6.0), measured(4.0, 9.0)],
    }
    floor, flowrun = table.rows(found)
    assert floor["cpu_by_floor"] == floor["fps_by_floor"] == [1.0, 1.0, 1.0]
    assert flowrun["cpu_by_floor"] == [3.0, 2.0, 9.0]
    assert flowrun["fps_by_floor"] == [0.5, 0.25, 1.0]
    assert flowrun["fps_by_demo"] is None
    assert DEMO not in found


def test_the_demo_client_s_way_is_that_with_the_same_server() -> None:
    found = {
        DEMO: [measured(2.0, 1.0)],
        DEMO_TRITON: [measured(8.0, 1.0)],
        "flowrun": [measured(1.0, 1.0)],
        "flowrun, shared memory": [measured(1.0, 1.0)],
    }
    *_, flowrun, shared = table.rows(found)
    assert flowrun["fps_by_demo"] == [2.0, 2.0, 2.0]
    assert shared["fps_by_demo"] == [8.0, 8.0, 8.0]


def test_a_row_has_the_cost_of_one_frame() -> None:
    (row,) = table.rows({FLOOR: [measured(2.0, 0.5)]})
    assert (row["fps"], row["cpu_ms"], row["ffmpeg_cpu_ms"]) == (50.0, 5.0, 10.0)
    assert "| copy floor | 50.0 | 5.0 | 10.0 | 10 / 20 | 1.00 (1.00–1.00) |" in table.text([row])  # noqa: RUF001
