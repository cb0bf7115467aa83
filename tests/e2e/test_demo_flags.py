"""The demo client's flags and `--benchmark`, through the real program."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.process import until_printed

DEMO_KEYS = ["inference_time", "dropped_frames", "frames", "fps", "total_time", "sent_all_frames"]
LIMIT = 60  # seconds; a guard against hanging


def test_the_flags_alone_control_a_run(
    flow: Any, flowrun_here: Any, clip: Any, probe: Any, tmp_path: Path
) -> None:
    (tmp_path / "out.mp4").write_text("old")
    path = flow(
        source="missing.mp4",
        transport="{mode: stream, address: embedded, model: gone, input: gone}",
        sink="{uri: unused.mkv, overwrite: true}",
        limits="{duration: 0.1}",
    )
    done = flowrun_here(
        path,
        *("--input_stream", clip("64x48", frames=20), "--output-stream", "out.mp4"),
        *("--model_name", "identity", "--input-name", "image", "--grpc_address", "embedded"),
        *("--limit-frames", "12", "--limit-stream-duration", "0", "--verbose", "--benchmark"),
    )
    assert done.returncode == 0, done.stderr
    assert len(probe(tmp_path / "out.mp4").times) == 12
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    assert list(found)[:6] == DEMO_KEYS
    assert (found["frames"], found["dropped_frames"], found["captured"]) == (12, 0, 12)
    assert 0 < found["inference_time"] * 1000 <= found["latency_ms"]["transport"]["max"]
    assert 0 < found["sent_all_frames"] <= found["total_time"]


def test_an_invalid_flag_is_shown_as_it_was_typed(
    flow: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    done = flowrun_here(flow(), "--input_stream", "gone.mp4", "--benchmark")
    assert (done.returncode, done.stderr) == (
        1,
        "--input_stream:1:16: error: source: there is no file gone.mp4\n"
        "    --input_stream gone.mp4\n"
        "                   ^\n"
        f"    relative paths start at the working directory, {tmp_path}\n",
    )
    [line] = done.stdout.splitlines()
    assert (json.loads(line)["frames"], json.loads(line)["inference_time"]) == (0, None)


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_a_benchmark_ended_by_a_signal_prints_its_numbers(
    flow: Any, started: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(
        "seen = 0\n"
        "def tell(frame, result):\n"
        "    global seen\n"
        "    seen += 1\n"
        "    if seen == 30:\n"
        "        print('going', flush=True)\n"
        "    return frame\n"
    )
    process = started(flow(postprocess="['hooks:tell']", limits=None), "--benchmark")
    until_printed(process, "going")
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130, errors
    [line] = said.splitlines()
    found = json.loads(line)
    assert found["frames"] == found["captured"] >= 30
