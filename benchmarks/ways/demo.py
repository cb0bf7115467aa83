"""The way of the demo client: OpenCV decodes and encodes in the process, one tritonclient stream.

It loses no frames here, which the demo client does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import tritonclient.grpc as triton

from benchmarks.job import Job, Outcome, outcome
from benchmarks.ways.exchange import Exchange


def ready(job: Job) -> Callable[[], Outcome]:
    return partial(_run, job)


def _run(job: Job) -> Outcome:
    seconds: list[float] = []
    capture = cv2.VideoCapture(job.clip)
    size = (job.width, job.height)
    writer = cv2.VideoWriter(job.out, cv2.VideoWriter.fourcc(*"mp4v"), 25, size)

    def frames() -> Any:
        while True:
            there, picture = capture.read()
            if not there:
                return
            yield picture

    with triton.InferenceServerClient(job.address) as client:
        for captured, picture in Exchange(client, job.window, frames()):
            writer.write(picture)
            seconds.append(time.monotonic() - captured)
    writer.release()
    capture.release()
    return outcome(seconds)
