"""How old frames are when they reach a sink, and at what pace they come."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.testbed.process import until

SERVICE = 0.3  # seconds
MODEL = f"""
import threading, time
alone = threading.Lock()
def slow(image):
    with alone:
        time.sleep({SERVICE})
        return image
"""
STAMPS = """
import time
import numpy as np
def made(image):
    rows = image[:40].reshape(2, 20, 32, 20, -1)[:, 5:15, :, 5:15].mean(axis=(1, 3, 4)) > 127
    return int(rows[0].dot(1 << np.arange(32)[::-1]))
def note(frame, result):
    if frame.index % 10 == 0:
        time.sleep(0.1)
    now = int(time.monotonic() * 1000) & 0xFFFFFFFF
    captured = int(frame.captured * 1000) & 0xFFFFFFFF
    return frame.attach(age=now - made(frame.image), before=captured - made(frame.image))
"""


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def live(rtsp_server: Any) -> str:
    server = rtsp_server()
    server.start()
    return str(server.url("live"))


def test_with_a_server_ten_times_too_slow_frames_are_as_old_as_one_response_takes(
    live: str, flow: Any, finished: Any, tmp_path: Path
) -> None:
    (tmp_path / "models.py").write_text(MODEL)
    path = flow(
        source=f"'{live}'",
        transport="{mode: stream, address: embedded, model: 'models:slow'}",
        sink="[out.mkv, out.jsonl]",
        limits="{duration: 20s}",
    )
    finished(path)
    fates = lines(tmp_path / "out.jsonl")
    ages = [f["latency_ms"]["end_to_end"] / 1000 for f in fates if f["fate"] == "delivered"]
    assert len(ages) >= 0.7 * 20 / SERVICE  # the server is kept busy
    assert median(ages) <= 1.5 * SERVICE
    quarter = len(ages) // 4
    assert median(ages[-quarter:]) <= 1.3 * median(ages[:quarter]) + 0.5 * SERVICE
    # What was dropped was dropped before the server had worked on it.
    assert all("transport" not in f["latency_ms"] for f in fates if f["fate"] == "dropped")


def test_the_latency_of_the_summary_matches_the_stamps_in_the_pictures(
    live: str, flow: Any, finished: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(STAMPS)
    path = flow(
        source=f"'{live}'",
        postprocess="['hooks:note']",
        sink="[null, out.jsonl]",
        limits="{duration: 10s}",
    )
    summary = finished(path)
    fates = [f for f in lines(tmp_path / "out.jsonl") if f["fate"] == "delivered"]
    ages = sorted(f["latency_ms"]["end_to_end"] for f in fates)
    points = summary["latency_ms"]["end_to_end"]
    for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        assert points[name] == pytest.approx(ages[int(share * len(ages))], rel=0.15, abs=2)
    # The pictures know when they were made: their age at the hook is what passed until they were
    # captured and the latency in the ledger, except for the time from hook to sink.
    differences = [
        f["latency_ms"]["end_to_end"] - (f["data"]["age"] - f["data"]["before"]) for f in fates
    ]
    assert -3 <= median(differences) <= 10
    assert points["p95"] >= 100 > points["p50"]  # every tenth frame was held up for so long
    assert 0 <= median(f["data"]["before"] for f in fates) < 500


@pytest.mark.parametrize("order", ["[{fast}, {slow}]", "[{slow}, {fast}]"])
def test_a_slow_sink_does_not_slow_down_a_fast_one(
    rtsp_server: Any, flow: Any, running: Any, probe: Any, tmp_path: Path, order: str
) -> None:
    destination = rtsp_server()
    destination.start()
    (tmp_path / "hooks.py").write_text(
        "import numpy as np\n"
        "noise = np.random.default_rng(1).integers(0, 256, (900, 960, 3), np.uint8)\n"
        "def busy(frame, result):\n"
        "    start = frame.index % 300\n"
        "    return noise[start : start + 600]\n"
    )
    fast, slow = "{uri: fast.mkv, codec: mpeg4}", f"'{destination.url('record/out')}'"
    path = flow(
        source="'test:960x600@10'",
        postprocess="['hooks:busy']",
        backpressure="latest",
        sink=order.replace("{fast}", fast).replace("{slow}", slow),
        limits=None,
    )
    run = running(path)
    until(
        lambda: any(file.stat().st_size > 100_000 for file in destination.recordings("out")),
        "nothing is recorded",
    )
    destination.pause()  # it takes what the network holds, and then nothing more
    run.until_logged(r"sink\[[01]\]: \S+ accepted no data for 5 s")
    run.process.send_signal(signal.SIGTERM)
    code, summary, said = run.ends()
    destination.resume()
    assert code == 143, said
    sinks = summary["sinks"]
    quick, blocked = sinks if order.startswith("[{fast}") else reversed(sinks)
    assert (quick["dropped"], quick["failed"]) == (0, 0)
    assert quick["delivered"] == summary["delivered"] == len(probe(tmp_path / "fast.mkv").times)
    assert blocked["dropped"] > 10  # of the 50 that came while it took nothing
    assert blocked["failed"] > 0  # the one that it was stuck with


def test_every_sink_gets_every_frame_of_a_file(
    flow: Any, flowrun_here: Any, probe: Any, clip: Any, tmp_path: Path
) -> None:
    path = clip("64x48", 50)
    done = flowrun_here(flow(source=f"'{path}'", sink="[a.mp4, b.mkv, c.jsonl]", limits=None))
    assert done.returncode == 0, done.stderr
    for name in ("a.mp4", "b.mkv"):
        assert probe(tmp_path / name).seconds == pytest.approx(probe(path).seconds, abs=0.001)
    assert [line["index"] for line in lines(tmp_path / "c.jsonl")] == list(range(50))


def test_a_recording_reaches_a_live_sink_at_its_own_pace(
    rtsp_server: Any, flow: Any, flowrun: Any, probe: Any, clip: Any
) -> None:
    destination = rtsp_server()
    destination.start()
    path = clip("64x48", 100)
    keys = {"source": f"'{path}'", "sink": f"'{destination.url('record/out')}'", "limits": None}
    began = time.monotonic()
    done = flowrun(flow(**keys))
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began >= 99 / 25  # no faster
    assert "backpressure: every_frame, as the source is not live" in done.stderr
    (recording,) = destination.recordings("out")
    times = probe(recording).seconds
    assert times[-1] - times[0] == pytest.approx(99 / 25, abs=1.5 / 25)
    assert re.search(r"captured 100 = delivered 100 ", done.stderr)


def test_the_times_of_a_looped_file_have_no_gap(
    flow: Any, flowrun_here: Any, probe: Any, clip: Any, tmp_path: Path
) -> None:
    source = f"{{uri: '{clip('64x48', 20)}', loop: true}}"
    done = flowrun_here(flow(source=source, sink="out.mkv", limits="{frames: 70}"))
    assert done.returncode == 0, done.stderr
    times = probe(tmp_path / "out.mkv").seconds
    assert times == pytest.approx([n / 25 for n in range(70)], abs=0.002)
