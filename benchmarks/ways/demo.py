"""The way of the demo client: OpenCV decodes and encodes in the process, one tritonclient stream.

Unlike the demo client it drops no frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import av
import cv2
import tritonclient.grpc as triton

from benchmarks.job import Job, Outcome, outcome
from benchmarks.ways.exchange import Exchange
from flowrun.frame import VideoInfo
from flowrun.media.pyav.converter import Converter
from flowrun.spec.flow import SourceSpec


def ready(job: Job) -> Callable[[], Outcome]:
    return partial(_run, job)


def _run(job: Job) -> Outcome:
    seconds: list[float] = []
    size = (job.width, job.height)
    writer = cv2.VideoWriter(job.out, cv2.VideoWriter.fourcc(*"mp4v"), 25, size)
    pictures = _exact(job.clip) if job.true_colors else _decoded(job.clip)
    with triton.InferenceServerClient(job.address) as client:
        for captured, picture in Exchange(client, job.window, pictures):
            writer.write(picture)
            seconds.append(time.monotonic() - captured)
    writer.release()
    return outcome(seconds)


def _decoded(clip: str) -> Iterator[Any]:
    """Decode the pictures with OpenCV."""
    capture = cv2.VideoCapture(clip)
    while True:
        there, picture = capture.read()
        if not there:
            break
        yield picture
    capture.release()


def _exact(clip: str) -> Iterator[Any]:
    """Decode the pictures with exact colours, which OpenCV does not support; so PyAV decodes, on as
    many threads."""
    with av.open(clip) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        converter: Converter | None = None
        for frame in container.decode(stream):
            info = VideoInfo(frame.width, frame.height)
            converter = converter or Converter(SourceSpec(clip, color="bgr"), info)
            yield converter.picture(frame).image
