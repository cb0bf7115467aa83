"""`flowrun bench` as a user runs it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

Flowrun = Callable[..., "subprocess.CompletedProcess[str]"]


def test_bench_measures_a_flow_and_prints_the_lines_to_write(
    flow: Callable[..., Path], flowrun_here: Flowrun, tmp_path: Path
) -> None:
    done = flowrun_here("bench", flow(sink="out.mp4", limits=None), "--frames", "12")
    assert (done.returncode, done.stderr) == (0, "")
    number = r" +[\d.]+"
    line = rf"12{number}{number} /{number}{number} /{number}\n"
    assert re.fullmatch(
        r"flow: the first 12 frames, sinks replaced by null\n"
        r"in_flight  delivered      fps   transport ms p50 / p95   end to end ms p50 / p95\n"
        + "".join(rf" +{window} +{line}" for window in (1, 2, 4, 8, 16))
        + r"with out\.mp4 \(written to a temporary file\), \d+ in flight:\n"
        + rf" +\d+ +{line}"
        + r"bottleneck: .+\n"
        r"smallest window with the best rate:\ntransport:\n  in_flight: (1|2|4|8|16)\n",
        done.stdout,
    ), done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["flow.yaml"]


def test_bench_reports_an_error_of_the_flow_at_its_line(
    flow: Callable[..., Path], flowrun_here: Flowrun
) -> None:
    path = flow(transport="{mode: stream, address: embedded, model: identiti}")
    done = flowrun_here("bench", path)
    assert (done.returncode, done.stdout.count("\n")) == (78, 2)
    assert done.stderr.startswith(f"{path}:3:53: error: transport.model: "), done.stderr


def test_a_number_of_frames_is_at_least_one(
    flow: Callable[..., Path], flowrun_here: Flowrun
) -> None:
    done = flowrun_here("bench", flow(), "--frames", "0")
    said = "flowrun: error: --frames: 0 is too small, expected at least 1\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)
