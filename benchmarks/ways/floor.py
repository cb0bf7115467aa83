"""Only copy the bytes: pipe, TCP socket, echo, socket, pipe. No gRPC and no messages.

This is the copy floor: four copies between process and kernel, into buffers allocated once.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

from benchmarks.job import Job, Outcome, outcome
from benchmarks.pipes import decoder, drain, encoder
from flowrun.media.ffmpeg.pipe import read_full


def ready(job: Job) -> Callable[[], Outcome]:
    return partial(_run, job)


def _run(job: Job) -> Outcome:
    host, _, port = job.address.rpartition(":")
    captured: deque[float] = deque()
    with (
        decoder(job) as source,
        encoder(job) as sink,
        socket.create_connection((host, int(port))) as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send() -> None:
            buffer = memoryview(bytearray(job.frame_bytes))
            while read_full(source, buffer, capacity=0):
                captured.append(time.monotonic())
                connection.sendall(buffer)
            connection.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        seconds: list[float] = []
        answers = connection.makefile("rb", buffering=0)
        buffer = memoryview(bytearray(job.frame_bytes))
        while read_full(answers, buffer, capacity=0):
            drain(sink, buffer)
            seconds.append(time.monotonic() - captured.popleft())
        sender.join()
    return outcome(seconds)
