"""One `ModelStreamInfer` call: from its first request to its status."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from flowrun.kserve.client.window import Window

Open = Callable[[Iterator[bytes]], Any]  # requests -> the call, which gives bytes


class Session:
    """A stream and the thread that reads it.

    Whoever holds the lock of the transport may read and change the attributes.
    `accepts` is true until the stream is half-closed or dead; `cancel_at` says, in
    `time.monotonic()`'s seconds, when a half-closed stream has had time enough.
    """

    def __init__(self, window: Window, generation: int) -> None:
        self.window = window
        self.generation = generation
        self.accepts = True
        self.cancel_at: float | None = None
        self._call: Any = None
        self._cancelled = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(
        self,
        open_call: Open,
        requests: Iterator[bytes],
        answered: Callable[[bytes], None],
        ended: Callable[[grpc.StatusCode, str | None], None],
    ) -> None:
        """Open the call and read it on a thread of its own, which calls `answered` for each message
        and at last `ended`, once. Raises what gRPC raises on a closed channel (`ValueError`)."""
        call = open_call(requests)
        with self._lock:
            self._call = call
            cancelled = self._cancelled
        if cancelled:
            call.cancel()
        self._thread = threading.Thread(
            target=_read,
            args=(call, answered, ended),
            name=f"flowrun-stream-{self.generation}",
            daemon=True,
        )
        self._thread.start()

    def cancel(self) -> None:
        """End the call now, even if it is only just being opened. From any thread, at once."""
        with self._lock:
            self._cancelled = True
            call = self._call
        if call is not None:
            call.cancel()

    def join(self, timeout: float) -> None:
        """Wait for the reading thread, unless this is it."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)


def _read(
    call: Any,
    answered: Callable[[bytes], None],
    ended: Callable[[grpc.StatusCode, str | None], None],
) -> None:
    try:
        for _ in map(answered, call):  # which holds on to no answer while it waits for the next
            pass
    except grpc.RpcError:
        ended(call.code(), call.details())
    except Exception as error:  # a bug: whatever waits must not wait for ever
        call.cancel()
        ended(grpc.StatusCode.INTERNAL, f"reading the stream: {error!r}")
        raise
    else:
        ended(grpc.StatusCode.OK, None)
