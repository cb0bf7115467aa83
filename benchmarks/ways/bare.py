"""flowrun's source and sink, with the least possible gRPC client between them.

One stream: no operators, no ledger, no deadlines, and responses are not matched to requests. The
cost of flowrun beyond this is its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from queue import Queue
from typing import Any, Protocol

import grpc
import numpy as np

from benchmarks.echo import MODEL, OPTIONS
from benchmarks.job import Job, Outcome, outcome
from flowrun.frame import Frame
from flowrun.image.buffers import Buffers, Memory
from flowrun.inference import Placement, Request
from flowrun.kserve.channel import SERVICE
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.shared_memory.pool import Pool
from flowrun.kserve.wire.requests import pieces
from flowrun.kserve.wire.send_buffers import SendBuffers
from flowrun.media.protocols import SinkContext, SourceContext
from flowrun.media.sinks import open_sink
from flowrun.media.sources import make_source
from flowrun.spec.flow import SinkSpec, SourceSpec, TransportSpec
from flowrun.system.malloc import keep_freed_memory

BUFFER = 4

keep_freed_memory()


def ready(job: Job) -> Callable[[], Outcome]:
    return partial(_run, job)


class Carrier(Protocol):
    """Carries pictures to the server and back."""

    def allocate(self, size: int) -> Memory | None: ...
    def request(self, picture: Any) -> bytes: ...
    def answer(self, data: bytes) -> Memory: ...
    def close(self) -> None: ...


class Messages:
    """Pictures are the last bytes of the messages."""

    def __init__(self, job: Job) -> None:
        self._size = job.frame_bytes
        self._envelopes = SendBuffers()
        self.allocate = self._envelopes.allocate

    def request(self, picture: Any) -> bytes:
        parts = pieces(MODEL, None, "1", {"image": picture}, {})
        return self._envelopes.message(parts, Request({}))

    def answer(self, data: bytes) -> Memory:
        return np.frombuffer(data, np.uint8)[-self._size :]

    def close(self) -> None: ...


class SharedMemory:
    """Pictures are in shared regions; responses come in the order of the requests."""

    def __init__(self, job: Job) -> None:
        self._size = job.frame_bytes
        spec = TransportSpec("stream", (job.address,), MODEL)
        self._pool = Pool(grpc.insecure_channel(job.address), GrpcErrors(spec, job.address))
        self._pool.prepare()
        self._sent: deque[tuple[Any, Memory]] = deque()  # neither may be reused until the response
        self.allocate = self._pool.allocate

    def request(self, picture: Any) -> bytes:
        there, back = self._pool.find(picture), self._pool.take("output", self._size)
        assert there is not None
        assert back is not None
        region, memory = back
        self._sent.append((picture, memory))
        inputs = {"image": (there.name, picture.reshape(-1).data)}
        placement = Placement(inputs, {"output": (region.name, memory.data)})
        (message,) = pieces(MODEL, None, "1", {"image": picture}, {}, placement)
        return bytes(message)

    def answer(self, data: bytes) -> Memory:
        _, memory = self._sent.popleft()
        return memory[: self._size]

    def close(self) -> None:
        self._pool.close()


def _run(job: Job) -> Outcome:
    sent: deque[Frame] = deque()
    free = threading.Semaphore(job.window)
    waiting: Queue[Frame | None] = Queue(BUFFER)
    blank = np.broadcast_to(np.uint8(0), (job.height, job.width, 3))
    seconds: list[float] = []
    with ExitStack() as parts:
        shared = "shared_memory" in job.transport
        carrier: Carrier = parts.enter_context(
            closing(SharedMemory(job) if shared else Messages(job))
        )
        buffers = Buffers()
        buffers.allocate = carrier.allocate
        source = parts.enter_context(
            closing(make_source(SourceSpec(job.clip, **job.source), SourceContext(buffers)))
        )
        info = source.open()
        assert info is not None
        spec = SinkSpec(job.out, codec="mpeg4", quality=5, overwrite=True, **job.sink)
        sink = parts.enter_context(closing(open_sink(spec, SinkContext(info))))
        channel = parts.enter_context(grpc.insecure_channel(job.address, options=OPTIONS))
        infer: Any = channel.stream_stream(SERVICE + "ModelStreamInfer")

        def read() -> None:
            for frame in source:
                waiting.put(frame)
                del frame
            waiting.put(None)

        def requests() -> Iterator[bytes]:
            while (frame := waiting.get()) is not None:
                free.acquire()
                sent.append(frame.with_image(blank))
                picture = frame.image
                del frame
                yield carrier.request(picture)
                del picture

        reader = threading.Thread(target=read, daemon=True)  # or an error here would wait for it
        reader.start()
        for data in infer(requests()):
            frame = sent.popleft()
            picture = carrier.answer(data)
            sink.write(frame.with_image(picture.reshape(blank.shape)))
            seconds.append(time.monotonic() - frame.captured)
            del data, picture
            free.release()
        reader.join()
    return outcome(seconds)
