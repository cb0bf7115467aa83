"""Decoded frames have the colours of the video, whatever its pixel format."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.frame import Frame, VideoInfo
from flowrun.media import colors
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.process import executable
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sources import make_source
from flowrun.spec.flow import SinkSpec, SourceSpec

EXACT = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
FORMATS = ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuva420p", "gray", "bgr0", "bgra"]
LABELS = {
    "limited 709": ("tv", "bt709"),
    "full 709": ("pc", "bt709"),
    "limited 601": ("tv", "smpte170m"),
    "full 601": ("pc", "smpte170m"),
    "unlabelled": ("tv", None),
}


def pictures(spec: SourceSpec) -> Any:
    source = make_source(spec)
    source.open()
    return np.stack([frame.image for frame in source])


def exactly(path: Path, scale: str, pixels: str, shape: tuple[int, ...]) -> Any:
    """Convert `path` with ffmpeg's scaler in one step, regardless of speed."""
    raw = subprocess.run(
        [executable(), "-v", "error", "-i", str(path), "-vf", f"scale={scale}out_range=pc:{EXACT}",
         "-pix_fmt", pixels, "-f", "rawvideo", "-"],
        check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    ).stdout  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(shape)


@pytest.mark.parametrize("form", FORMATS)
def test_every_pixel_format_is_converted_exactly(make: Any, form: str, decoder: Any) -> None:
    path = make("a.mkv", "-c:v", "ffv1", "-pix_fmt", form, source="testsrc=s=65x49:r=25")
    found = pictures(SourceSpec(str(path), color="bgr", decoder=decoder))
    assert (found == exactly(path, "", "bgr24", (20, 49, 65, 3))).all()
    smaller = pictures(SourceSpec(str(path), size=(30, 70), decoder=decoder))
    assert (smaller == exactly(path, "w=30:h=70:", "rgb24", (20, 70, 30, 3))).all()


@pytest.mark.parametrize("name", LABELS)
def test_range_and_matrix_are_those_of_the_video(make: Any, name: str, decoder: Any) -> None:
    wide, matrix = LABELS[name]
    labels = ["-color_range", wide, *(["-colorspace", matrix] if matrix else [])]
    scale = f"scale=out_range={wide}" + (f":out_color_matrix={matrix}" if matrix else "")
    path = make("a.mp4", "-vf", f"{scale},format=yuv420p", "-crf", "5", *labels)
    found = pictures(SourceSpec(str(path), decoder=decoder))
    assert (found == exactly(path, "", "rgb24", (20, 48, 64, 3))).all()


STORED_AS_RGB = {
    "labelled gbr": ("a.mkv", "-c:v", "libx264rgb", "-qp", "0"),
    "not labelled": ("a.avi", "-c:v", "utvideo", "-pix_fmt", "gbrp"),
    "interleaved": ("a.avi", "-c:v", "rawvideo", "-pix_fmt", "bgr24"),
    "palette": ("a.mkv", "-c:v", "png", "-pix_fmt", "pal8"),
}


@pytest.mark.parametrize("name", STORED_AS_RGB)
def test_a_source_stored_as_rgb_is_recognized(make: Any, name: str, decoder: Any) -> None:
    path = make(*STORED_AS_RGB[name], source="color=c=0xff0000:s=64x48:r=25,format=gbrp")
    source = make_source(SourceSpec(str(path), decoder=decoder))
    info = source.open()
    source.close()
    assert info is not None
    assert info.color_space == "gbr"


@pytest.mark.parametrize("color_range", ["pc", None])
@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), "bt709"), ((640, 480), "smpte170m")])
def test_rgb_gets_the_matrix_that_players_assume_for_the_size(
    tmp_path: Path, size: Any, matrix: str, color_range: Any, encoder: Any
) -> None:
    path = tmp_path / "out.mp4"
    info = VideoInfo(size[0], size[1], 25.0, color_space="gbr", color_range=color_range)
    sink = open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(info))
    red = np.full((size[1], size[0], 3), [255, 0, 0], np.uint8)
    sink.write(Frame(red, 0, 0.0, 0.04, 0.0))
    sink.close()
    written = make_source(SourceSpec(str(path))).open()
    assert written is not None
    assert (written.color_space, written.color_primaries) == (matrix, "bt709")
    assumed = {"bt709": "bt709", "smpte170m": "bt601"}[matrix]
    shown = exactly(path, f"in_color_matrix={assumed}:", "rgb24", (1, size[1], size[0], 3))
    assert (abs(shown.astype(int) - [255, 0, 0]) <= 4).all()


def test_a_live_stream_of_rgb_has_the_matrix_of_its_size() -> None:
    info = VideoInfo(1920, 1080, color_space="gbr")
    command = commands.publish(SinkSpec("rtsp://h/1"), info, (1920, 1080), ["out"])
    assert command[command.index("-colorspace") + 1] == "bt709"
    assert "out_color_matrix=bt709" in command[command.index("-vf") + 1]


def test_jpeg_has_one_matrix() -> None:
    info = VideoInfo(1920, 1080, color_space="gbr")
    assert colors.encoded(info, (1920, 1080), "mjpeg").color_space == "smpte170m"


def test_a_video_that_is_not_stored_as_rgb_keeps_its_labels() -> None:
    for info in [VideoInfo(1920, 1080), VideoInfo(1920, 1080, color_space="smpte170m")]:
        assert colors.encoded(info, (1920, 1080), "libx264") is info
    assert not colors.is_rgb("yuv420p")
    assert not colors.is_rgb("gray")
