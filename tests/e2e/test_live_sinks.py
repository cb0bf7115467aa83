"""Live streams over RTMP, SRT and UDP, received by ffmpeg."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.live import receiver, until_received
from tests.testbed.nginx import rtmp_server
from tests.testbed.process import free_ports, until

SOURCE = "{uri: 'test:160x120@25', pace: realtime}"
OFTEN = "reconnect: {initial: 100ms, maximum: 200ms}"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["udp", "srt"])
def test_a_stream_without_a_server_arrives_at_its_peer(
    flow: Any, started: Any, probe: Any, tmp_path: Path, protocol: str
) -> None:
    (port,) = free_ports(1)
    url, listener = f"{protocol}://127.0.0.1:{port}", {"srt": "?mode=listener", "udp": ""}
    path = flow(source=SOURCE, sink=url, limits=None)
    with receiver(url + listener[protocol], tmp_path / "got.mkv"):
        run = started(path)
        until_received(tmp_path / "got.mkv", 20_000)
        run.terminate()
        assert run.wait(30) == 143
    video = probe(tmp_path / "got.mkv")
    assert len(video.seconds) > 25
    steps = [b - a for a, b in zip(video.seconds, video.seconds[1:], strict=False)]
    assert max(steps) < 0.5  # the wall clock is kept by repeating


@pytest.mark.slow
def test_srt_as_a_listener_waits_for_its_caller_without_holding_up_others(
    flow: Any, running: Any, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    url = f"srt://127.0.0.1:{port}"
    run = running(flow(source=SOURCE, sink=f"[{url}?mode=listener, all.jsonl]", limits=None))
    run.until_logged("waits for a caller")
    until(lambda: (tmp_path / "all.jsonl").read_text().count("\n") > 5, "no frame goes on")
    with receiver(url, tmp_path / "got.mkv"):
        run.until_logged("is available again")
        until_received(tmp_path / "got.mkv", 10_000)
        run.process.terminate()
        code, summary, _ = run.ends()
    assert code == 143
    assert summary["reconnects"]["sink"] == 1


@pytest.mark.slow
def test_a_publication_over_rtmp_survives_a_restart_of_its_server(
    flow: Any, running: Any, rtmp_executable: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    url = f"rtmp://127.0.0.1:{port}/live/cam"
    with ExitStack() as first:
        first.enter_context(rtmp_server(rtmp_executable, tmp_path / "nginx", port))
        path = flow(source=SOURCE, sink=f"[{{uri: '{url}', {OFTEN}}}, all.jsonl]", limits=None)
        run = running(path)
        first.enter_context(receiver(url, tmp_path / "before.mkv"))
        until_received(tmp_path / "before.mkv", 10_000)
    run.until_logged("trying again")
    with rtmp_server(rtmp_executable, tmp_path / "nginx", port):
        run.until_logged("is available again")
        with receiver(url, tmp_path / "after.mkv"):
            until_received(tmp_path / "after.mkv", 10_000)
            run.process.terminate()
            code, summary, _ = run.ends()
    assert code == 143
    assert summary["reconnects"]["sink"] >= 1
    assert summary["sinks"][0]["failed"] > 0
    assert summary["failed"]["sink"] == summary["sinks"][0]["failed"]


def test_no_server_at_the_start_is_an_error(flow: Any, flowrun: Any) -> None:
    (port,) = free_ports(1)
    done = flowrun(flow(sink=f"rtmp://127.0.0.1:{port}/live/cam"))
    assert done.returncode == 1
    assert f"sink: no RTMP server answers at 127.0.0.1:{port} (Connection refused)" in done.stderr
