"""A source that changes its size is fitted into its first size."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.frame import Frame
from flowrun.image.scaling import scaled_frame
from flowrun.media.sources import make_source
from flowrun.spec.flow import SourceSpec

Box = tuple[int, int, int, int]  # left, top, right, bottom
PARTS = {
    "wide": ("color=gray:s=320x240:r=25", "drawbox=x=110:y=70:w=100:h=100:color=white:t=fill"),
    "tall": ("color=gray:s=360x640:r=25", "drawbox=x=80:y=220:w=200:h=200:color=white:t=fill"),
    "smaller": ("color=gray:s=160x120:r=25", "drawbox=x=55:y=35:w=50:h=50:color=white:t=fill"),
    "anamorphic": (  # 180x240 with pixels of 2:1 is 3:2
        "color=gray:s=180x240:r=25",
        "drawbox=x=65:y=70:w=50:h=100:color=white:t=fill,setsar=2",
    ),
}


@pytest.fixture
def joined(make: Any, tmp_path: Path) -> Any:
    """`joined("wide", "tall")`: 5 frames of each."""

    def joined(*names: str) -> Path:
        path, parts = tmp_path / "joined.h264", []
        for n, name in enumerate(names):
            source, filters = PARTS[name]
            options = ("-vf", filters, "-t", "0.2", "-bf", "0")
            parts.append(make(f"{n}.h264", *options, source=source).read_bytes())
        path.write_bytes(b"".join(parts))
        return path

    return joined


def frames_of(path: Path, **keys: Any) -> list[Frame]:
    source = make_source(SourceSpec(str(path), **keys))
    source.open()
    return list(source)


def box(found: Any) -> Box:
    down, across = np.nonzero(found)
    return int(across.min()), int(down.min()), int(across.max()) + 1, int(down.max()) + 1


def square_and_picture(image: Any) -> tuple[Box, Box]:
    """The box of the white square, and that of all that is not black."""
    return box(image.min(-1) > 200), box(image.min(-1) > 50)


@pytest.mark.usefixtures("pyav")
def test_frames_of_another_shape_are_fitted_with_black_bars(joined: Any) -> None:
    frames = frames_of(joined("wide", "tall", "wide", "anamorphic"), decoder="av")
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    first, tall, again, anamorphic = (frames[n].image for n in (0, 5, 10, 15))
    assert square_and_picture(first) == ((110, 70, 210, 170), (0, 0, 320, 240))
    (left, top, right, bottom), picture = square_and_picture(tall)
    assert picture == (92, 0, 227, 240)  # 360x640 in 320x240
    assert (right - left, bottom - top) == pytest.approx((75, 75), abs=1)
    assert (tall[:, :90] == 0).all()
    assert (tall[:, 229:] == 0).all()
    assert (again == first).all()
    (left, top, right, bottom), picture = square_and_picture(anamorphic)
    assert picture == (0, 13, 320, 226)  # 3:2 in 4:3
    assert (right - left, bottom - top) == pytest.approx((89, 89), abs=1)


@pytest.mark.usefixtures("pyav")
def test_a_scaled_picture_has_the_same_bars(joined: Any) -> None:
    for frame in frames_of(joined("wide", "tall"), decoder="av")[5:]:
        small = scaled_frame(frame, (160, 120))
        assert square_and_picture(small)[1] == (46, 0, 114, 120)
        assert frame.image.shape == (240, 320, 3)


@pytest.mark.usefixtures("pyav")
def test_frames_are_fitted_into_the_shape_that_the_size_of_the_flow_stretches(joined: Any) -> None:
    frames = frames_of(joined("wide", "tall", "smaller"), decoder="av", size=(320, 120))
    tall, smaller = frames[5].image, frames[10].image
    (left, top, right, bottom), picture = square_and_picture(tall)
    assert picture == (92, 0, 227, 120)
    assert (right - left, 2 * (bottom - top)) == pytest.approx((75, 75), abs=2)  # pixels of 1:2
    assert square_and_picture(smaller)[1] == (0, 0, 320, 120)


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("keys", [{}, {"fps": 25}, {"ffmpeg": {"probesize": 5_000_000}}])
def test_there_is_one_warning_per_change(joined: Any, keys: Any, caplog: Any) -> None:
    frames_of(joined("wide", "tall", "smaller", "wide"), decoder="av", **keys)
    assert [record.getMessage() for record in caplog.records] == [
        f"source: the frame size changed from {change}; frames are fitted into 320x240"
        for change in (
            "320x240 to 360x640 at frame 5",
            "360x640 to 160x120 at frame 10",
            "160x120 to 320x240 at frame 15",
        )
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_ffmpeg_stretches_the_frames_and_warns_once_per_change(joined: Any, caplog: Any) -> None:
    frames = frames_of(joined("wide", "tall", "wide"), decoder="ffmpeg")
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    assert caplog.messages == [
        f"source: the frame size changed from {change}; frames are stretched to the first size,"
        " because `decoder: ffmpeg` cannot fit them without distortion"
        for change in ("320x240 to 360x640", "360x640 to 320x240")
    ]
