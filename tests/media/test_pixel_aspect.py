"""The shape of pixels is carried from the source to the sinks."""

from __future__ import annotations

import io
import itertools
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from flowrun.frame import Frame, VideoInfo
from flowrun.media import pixel_aspect
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.process import executable
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sinks.latest_jpeg import LatestJpeg
from flowrun.media.sources import make_source
from flowrun.spec.flow import SinkSpec, SourceSpec
from flowrun.view import View, whole

PAL = Fraction(64, 45)  # 720x576 shown as 16:9


def info_of(spec: SourceSpec) -> VideoInfo:
    source = make_source(spec)
    info = source.open()
    source.close()
    assert info is not None
    return info


@pytest.fixture
def pal(make: Any) -> Path:
    made: Path = make("pal.mp4", "-vf", "setsar=64/45", source="testsrc2=s=180x144:r=25")
    return made


@pytest.fixture
def turned(pal: Path) -> Path:
    path = pal.with_name("turned.mp4")
    subprocess.run(
        [executable(), "-v", "error", "-display_rotation", "90", "-i", str(pal), "-c", "copy",
         str(path)],
        check=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return path


FETCHED = {"probesize": 5_000_000}  # an option of ffmpeg, which then reads the file


@pytest.mark.parametrize("own", [{}, FETCHED], ids=["direct", "fetched"])
def test_the_pixel_aspect_of_the_source_is_read(pal: Path, own: Any, decoder: Any) -> None:
    assert info_of(SourceSpec(str(pal), decoder=decoder, ffmpeg=own)).pixel_aspect == PAL


@pytest.mark.parametrize("own", [{}, FETCHED], ids=["direct", "fetched"])
def test_a_quarter_turn_inverts_the_pixel_aspect(turned: Path, own: Any, decoder: Any) -> None:
    info = info_of(SourceSpec(str(turned), decoder=decoder, ffmpeg=own))
    assert (info.width, info.height, info.pixel_aspect) == (144, 180, 1 / PAL)


def test_an_unknown_pixel_aspect_is_square(make: Any, decoder: Any) -> None:
    path = make("a.mp4", "-vf", "setsar=0")
    assert info_of(SourceSpec(str(path), decoder=decoder)).pixel_aspect == 1
    assert pixel_aspect.known(0, 1) == pixel_aspect.known(1, 0) == 1


@pytest.mark.parametrize(
    ("size", "aspect"),
    [
        ((256, 144), 1),  # 16:9 on display
        ((257, 144), 1),  # as near as whole pixels come
        ((90, 72), PAL),
        ((100, 100), Fraction(16, 9)),
    ],
)
def test_a_scaled_picture_keeps_its_shape_on_display(
    pal: Path, size: Any, aspect: Any, decoder: Any
) -> None:
    info = info_of(SourceSpec(str(pal), size=size, decoder=decoder))
    assert (info.width, info.height, info.pixel_aspect) == (*size, aspect)


@pytest.mark.parametrize(
    ("size", "aspect"), [((300, 169), 1), ((640, 640), Fraction(16, 9)), ((854, 480), 1)]
)
def test_square_pixels_stay_square_unless_the_shape_of_the_picture_changes(
    size: Any, aspect: Any
) -> None:
    assert pixel_aspect.of_frames(VideoInfo(1920, 1080), 0, size).pixel_aspect == aspect


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv", "webm", "avi", "ts"])
@pytest.mark.parametrize("aspect", [PAL, Fraction(1), Fraction(45, 64)])
def test_video_files_have_the_pixel_aspect(
    tmp_path: Path, ending: str, aspect: Fraction, encoder: Any, decoder: Any
) -> None:
    path = tmp_path / f"out.{ending}"
    info = VideoInfo(180, 144, fps=25, pixel_aspect=aspect)
    sink = open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(info))
    for n in range(5):
        sink.write(Frame(np.zeros((144, 180, 3), np.uint8), n, n / 25, 1 / 25, 0.0))
    sink.close()
    found = info_of(SourceSpec(str(path), decoder=decoder)).pixel_aspect
    if ending == "webm":  # it has the size on display, in whole pixels
        assert abs(found - aspect) * 180 <= 1
    else:
        assert found == aspect


def test_a_live_stream_has_the_pixel_aspect() -> None:
    command = commands.publish(
        SinkSpec("rtsp://h/1"), VideoInfo(720, 576, pixel_aspect=PAL), (720, 576), ["out"]
    )
    assert ",setsar=64/45:max=1000," in command[command.index("-vf") + 1]


def test_a_jpeg_of_the_page_has_square_pixels() -> None:
    for aspect, shape in [(PAL, (256, 144)), (1 / PAL, (180, 205)), (Fraction(1), (180, 144))]:
        images = LatestJpeg("rgb", clock=itertools.count().__next__)
        images.put(np.zeros((144, 180, 3), np.uint8), aspect)
        found = images.wait_newer(0, 30.0)
        assert found is not None
        assert Pillow.open(io.BytesIO(found[1])).size == shape


def aspect_of(size: tuple[int, int], view: View | None) -> Fraction:
    info = VideoInfo(720, 576, pixel_aspect=PAL)
    image = np.zeros((size[1], size[0], 3), np.uint8)
    return pixel_aspect.of_frame(Frame(image, 0, 0.0, 0.0, 0.0, view=view), info)


def test_the_model_s_picture_is_shown_in_the_shape_that_the_model_saw() -> None:
    resized = whole(720, 576).resized(640, 360)  # 16:9
    assert aspect_of((640, 360), resized) == 1
    assert aspect_of((300, 300), whole(720, 576).resized(300, 300)) == Fraction(16, 9)
    assert aspect_of((640, 640), View(640, 640, 0.0, -72.0, 1.125, 1.125)) == PAL  # letterboxed


def test_any_other_picture_has_the_pixels_of_the_source() -> None:
    resized = whole(720, 576).resized(640, 360)
    assert aspect_of((720, 576), resized) == PAL  # the source's own
    assert aspect_of((200, 200), resized) == PAL  # cropped
    assert aspect_of((1440, 576), None) == PAL  # two side by side
