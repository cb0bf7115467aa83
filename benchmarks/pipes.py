"""The ffmpeg processes that decode and encode for every way except OpenCV's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.job import Job
from flowrun.media.colors import FROM_RGB, to_rgb
from flowrun.media.ffmpeg.pipe import enlarge
from flowrun.media.ffmpeg.process import executable

_QUIET = ("-hide_banner", "-loglevel", "error")


@contextmanager
def decoder(job: Job) -> Iterator[Any]:
    """Decode the clip: a pipe with its raw RGB pictures."""
    exact = ("-vf", ",".join(to_rgb(None))) if job.true_colors else ()
    picture = (*exact, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1")
    command = [executable(), *_QUIET, "-nostdin", "-i", job.clip, *picture]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        enlarge(process.stdout.fileno())
        yield process.stdout


@contextmanager
def encoder(job: Job) -> Iterator[Any]:
    """Encode raw RGB pictures from a pipe; the file is finished at the end of the block."""
    size = f"{job.width}x{job.height}"
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "25", "-i", "pipe:0")
    exact = ("-vf", f"scale=out_range=tv:{FROM_RGB},format=yuv420p") if job.true_colors else ()
    command = [executable(), *_QUIET, "-y", *raw, *exact, "-c:v", "mpeg4", "-q:v", "5", job.out]
    with subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        enlarge(process.stdin.fileno())
        yield process.stdin


def drain(pipe: Any, data: memoryview) -> None:
    """Write all of `data`."""
    while data:
        data = data[pipe.write(data) :]
