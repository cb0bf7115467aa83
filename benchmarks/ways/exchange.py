"""Pictures through one tritonclient stream, as its own examples do it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from typing import Any

import tritonclient.grpc as triton

from benchmarks.echo import MODEL


class Exchange:
    """The results for `pictures`, each with the `time.monotonic()` of its picture; at most `window`
    are in flight."""

    def __init__(self, client: Any, window: int, pictures: Iterable[Any]) -> None:
        self._client = client
        self._pictures = pictures
        self._free = threading.Semaphore(window)
        self._captured: deque[float] = deque()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._sent: int | None = None

    def __iter__(self) -> Iterator[tuple[float, Any]]:
        self._client.start_stream(lambda result, error: self._answers.put((result, error)))
        sender = threading.Thread(target=self._send)
        sender.start()
        received = 0
        while received != self._sent:
            result, error = self._answers.get()
            if result is None and error is None:
                continue  # everything is sent
            if error is not None:
                raise error
            yield self._captured.popleft(), result.as_numpy("output")
            received += 1
            self._free.release()
        sender.join()
        self._client.stop_stream()

    def _send(self) -> None:
        count = 0
        for picture in self._pictures:
            captured = time.monotonic()
            self._free.acquire()
            tensor = triton.InferInput("image", picture.shape, "UINT8")
            tensor.set_data_from_numpy(picture)
            self._captured.append(captured)
            self._client.async_stream_infer(MODEL, [tensor])
            count += 1
        self._sent = count
        self._answers.put((None, None))
