"""The stream into the encoder carries exact times."""

from __future__ import annotations

import subprocess
from itertools import accumulate
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrun.media.ffmpeg import matroska
from flowrun.media.ffmpeg.process import executable


def read_back(stream: bytes, *options: str) -> bytes:
    command = [executable(), "-hide_banner", "-loglevel", "error", "-copyts"]
    command += ["-probesize", "32", "-f", "matroska", "-i", "pipe:0", "-fps_mode", "passthrough"]
    return subprocess.run(
        [*command, "-enc_time_base", "demux", *options, "pipe:1"],
        input=stream,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout


@settings(max_examples=settings().max_examples // 4)
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    start=st.integers(0, 2**40),
    steps=st.lists(st.integers(1, 2**33), min_size=1, max_size=12),
)
def test_ffmpeg_reads_the_times_and_durations_that_were_written(
    size: tuple[int, int], start: int, steps: list[int]
) -> None:
    width, height = size
    picture = bytes(width * height * 3)
    times = [start, *accumulate(steps, initial=start)][1:]
    stream = matroska.header(width, height, "rgb") + b"".join(
        matroska.frame_header(time, step, len(picture)) + picture
        for time, step in zip(times, steps, strict=False)
    )
    rows = [
        line.split(b",")
        for line in read_back(stream, "-c:v", "rawvideo", "-f", "framecrc").splitlines()
        if not line.startswith(b"#")
    ]
    assert [int(row[2]) for row in rows] == times[: len(steps)]
    assert [int(row[3]) for row in rows] == steps


@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_pixels_arrive_in_the_order_that_was_named(color: Literal["rgb", "bgr"]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8).tobytes()
    stream = matroska.header(7, 9, color) + matroska.frame_header(0, 1, len(picture)) + picture
    assert read_back(stream, "-pix_fmt", f"{color}24", "-f", "rawvideo") == picture
