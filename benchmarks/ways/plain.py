"""A plain tritonclient stream between the same pipes, with `window` requests in flight."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tritonclient.grpc as triton

from benchmarks.job import Job, Outcome, outcome
from benchmarks.pipes import decoder, drain, encoder
from benchmarks.ways.exchange import Exchange
from flowrun.media.ffmpeg.pipe import read_full


def ready(job: Job) -> Callable[[], Outcome]:
    return partial(_run, job)


def _run(job: Job) -> Outcome:
    seconds: list[float] = []
    with (
        decoder(job) as source,
        encoder(job) as sink,
        triton.InferenceServerClient(job.address) as client,
    ):

        def frames() -> Any:
            while True:
                picture = np.empty((job.height, job.width, 3), np.uint8)
                if not read_full(source, picture.data.cast("B"), capacity=0):
                    return
                yield picture

        for captured, picture in Exchange(client, job.window, frames()):
            drain(sink, np.ascontiguousarray(picture).data.cast("B"))
            seconds.append(time.monotonic() - captured)
    return outcome(seconds)
