"""The input options for ffmpeg, whole, and the wrappers around a source."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from flowrun.errors import SourceError
from flowrun.media.sources import SOURCES, make_source
from flowrun.media.sources.http import http_input
from flowrun.media.sources.paced import PacedSource
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.media.sources.rtsp import rtsp_input
from flowrun.spec.flow import SourceSpec


def test_rtsp_is_read_with_little_delay_over_the_transport_of_the_flow() -> None:
    low_delay = ["-flags", "low_delay", "-fpsprobesize", "0"]
    assert rtsp_input(SourceSpec("rtsp://u:p@host:8554/a")) == [
        *low_delay, "-rtsp_transport", "tcp", "-i", "rtsp://u:p@host:8554/a"
    ]  # fmt: skip
    assert rtsp_input(SourceSpec("rtsps://host/a", rtsp_transport="udp")) == [
        *low_delay, "-rtsp_transport", "udp", "-i", "rtsps://host/a"
    ]  # fmt: skip


def test_http_is_read_as_it_is_and_again_with_loop() -> None:
    uri = "https://host/a.mp4?b=c"
    assert http_input(SourceSpec(uri)) == ["-i", uri]
    assert http_input(SourceSpec(uri, loop=True)) == ["-stream_loop", "-1", "-i", uri]


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        *(
            ("rtsp://h/a", "rtsp"),
            ("http://h/a", "http"),
            ("camera:0", "camera"),
            ("a.mp4", "file"),
        ),
        *((f"{scheme}://h:1", "stream") for scheme in ("rtmp", "rtmps", "srt", "udp", "rtp")),
    ],
)
def test_every_source_that_ffmpeg_opens_reconnects(uri: str, kind: str) -> None:
    source = make_source(SourceSpec(uri))
    assert SourceSpec(uri).kind == kind
    assert set(SOURCES) == {"camera", "file", "http", "rtsp", "stream", "test"}
    assert isinstance(source, ReconnectingSource)
    source.close()


@pytest.mark.parametrize("uri", ["a.mp4", "test", "http://h/a"])
def test_a_source_is_paced_if_the_flow_sets_it(uri: str) -> None:
    assert isinstance(make_source(SourceSpec(uri, pace="realtime")), PacedSource)
    for pace in ("auto", "fast"):
        assert not isinstance(make_source(SourceSpec(uri, pace=pace)), PacedSource)


def test_a_missing_file_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = make_source(SourceSpec("none.mp4"))
    with pytest.raises(SourceError) as raised:
        source.open()
    source.close()
    assert str(raised.value) == (
        "source: there is no file none.mp4\n"
        f"  relative paths start at the working directory, {tmp_path}"
    )


def test_a_missing_camera_is_an_error_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(uri: str, size: object, fps: object) -> list[str]:
        assert (uri, size, fps) == ("camera:7", (640, 480), 25.0)
        raise SourceError("there is no camera 7", reason="not found")

    # The package has a function of the module's name.
    module = importlib.import_module("flowrun.media.sources.camera")
    monkeypatch.setattr(module, "open_options", none)
    source = make_source(SourceSpec("camera:7", size=(640, 480), fps=25.0))
    with pytest.raises(SourceError, match=r"^source: there is no camera 7$"):
        source.open()
    source.close()
