"""Decoded frames have the colours of the video, whatever its pixel format."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.media.ffmpeg.process import executable
from flowrun.media.sources import make_source
from flowrun.spec.flow import SourceSpec

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
