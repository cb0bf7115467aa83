"""A playlist and its segments in a folder, of a recording and of a live source."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.testbed.browser import Browser
from tests.testbed.live import sender
from tests.testbed.process import free_ports, until

FRAMES = "{frames: 100}"


def segments(playlist: Path) -> list[Path]:
    lines = playlist.read_text().splitlines()
    return [playlist.with_name(line) for line in lines if not line.startswith("#")]


def test_the_playlist_of_a_recording_is_whole_and_has_its_end(
    flow: Any, finished: Any, probe: Any, tmp_path: Path
) -> None:
    playlist = tmp_path / "hls/100 %d.m3u8"
    summary = finished(flow(source="test:64x48@25", sink="'hls/100 %d.m3u8'", limits=FRAMES))
    assert summary["delivered"] == 100
    assert "#EXT-X-ENDLIST" in playlist.read_text()
    video = probe(playlist)
    assert [round(time * 25) for time in video.since_first] == list(range(100))
    assert len(segments(playlist)) == 2
    assert sorted(tmp_path.glob("hls/*.ts")) == segments(playlist)
    assert [len(probe(each).seconds) for each in segments(playlist)] == [50, 50]


def test_an_existing_playlist_is_replaced_only_if_the_flow_says_so(
    flow: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    source, sink = "test:64x48@25", "{uri: cam.m3u8, overwrite: OVERWRITE}"
    first = flow(source=source, sink=sink.replace("OVERWRITE", "false"), limits=FRAMES)
    assert flowrun_here(first).returncode == 0
    before = segments(tmp_path / "cam.m3u8")
    (tmp_path / "cam-holiday.ts").write_bytes(b"mine")
    refused = flowrun_here(first)
    assert refused.returncode == 1
    assert "cam.m3u8 exists and is not overwritten" in refused.stderr
    shorter = flow(source=source, sink=sink.replace("OVERWRITE", "true"), limits="{frames: 20}")
    assert flowrun_here(shorter).returncode == 0
    assert segments(tmp_path / "cam.m3u8") == before[:1]
    assert sorted(tmp_path.glob("*.ts")) == [*before[:1], tmp_path / "cam-holiday.ts"]


class Folder:
    """A web server for a folder, for other sites, too."""

    def __init__(self, folder: Path) -> None:
        handler = partial(_Handler, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map: ClassVar[dict[str, str]] = {  # type: ignore[misc]  # it is one there, too
        ".m3u8": "application/vnd.apple.mpegurl",
        ".ts": "video/mp2t",
        "": "text/html",
    }

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Folder]:
    (tmp_path / "hls").mkdir()
    folder = Folder(tmp_path / "hls")
    yield folder
    folder.close()


@pytest.mark.slow
def test_a_browser_plays_the_playlist_of_a_live_source_whose_segments_are_removed(
    flow: Any, running: Callable[..., Any], browser: Browser, served: Folder, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    url, playlist = f"udp://127.0.0.1:{port}", tmp_path / "hls/cam.m3u8"
    path = flow(source=f"{{uri: '{url}', read_timeout: 2s}}", sink="hls/cam.m3u8", limits=None)
    run = running(path)
    with sender(url, tmp_path / "sender.log"):
        until(lambda: playlist.exists() and len(segments(playlist)) >= 4, "no segments")
        (tmp_path / "hls/page.html").write_text("<video muted autoplay src=cam.m3u8></video>")
        browser.open(f"{served.url}/page.html")
        browser.wait_for("document.querySelector('video')?.currentTime > 1")
        assert browser.value("document.querySelector('video').videoWidth") == 320
        until(lambda: not playlist.with_name("cam-000000.ts").exists(), "no segment is removed")
        assert len(segments(playlist)) == 6
    run.until_logged("WARNING: source:")  # it has ended; the last picture is repeated
    last = segments(playlist)[-1]
    until(lambda: segments(playlist)[-1] != last, "the wall clock is not kept")
    run.process.terminate()
    code, _, _ = run.ends()
    assert code == 143
    assert "#EXT-X-ENDLIST" in playlist.read_text()
    assert all(each.exists() for each in segments(playlist))
    newest = segments(playlist)[-1]
    run = running(path)
    with sender(url, tmp_path / "sender.log"):
        until(lambda: segments(playlist)[-1] > newest, "the numbers do not continue")
    run.process.terminate()
    run.ends()
