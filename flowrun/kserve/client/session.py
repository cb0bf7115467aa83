"""One `ModelStreamInfer` call, from its first request to its status."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from flowrun.kserve.client.window import Window

OpenCall = Callable[[Iterator[bytes]], Any]  # messages to the call, which yields messages


class Session:
    """A stream and the thread that reads it.

    The lock of the transport guards the attributes. `accepts` is true until the stream is
    half-closed or has ended; `cancel_at`, in seconds of `time.monotonic()`, is when a half-closed
    stream is to be cancelled. `starts_sequence`: the next request is the first of a sequence.
    """

    def __init__(self, window: Window, generation: int) -> None:
        self.window = window
        self.generation = generation
        self.accepts = True
        self.cancel_at: float | None = None
        self.starts_sequence = True
        self._call: Any = None
        self._cancelled = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(
        self,
        open_call: OpenCall,
        requests: Iterator[bytes],
        on_message: Callable[[bytes], None],
        on_end: Callable[[grpc.StatusCode, str | None], None],
    ) -> None:
        """Open the call and read it on a new thread, which calls `on_message` for each message and
        finally `on_end`, once. Raises what gRPC raises on a closed channel (`ValueError`)."""
        call = open_call(requests)
        with self._lock:
            self._call = call
            cancelled = self._cancelled
        if cancelled:
            call.cancel()
        self._thread = threading.Thread(
            target=_read,
            args=(call, on_message, on_end),
            name=f"flowrun-stream-{self.generation}",
            daemon=True,
        )
        self._thread.start()

    def cancel(self) -> None:
        """Cancel the call, even while it is being opened. From any thread, does not block."""
        with self._lock:
            self._cancelled = True
            call = self._call
        if call is not None:
            call.cancel()

    def join(self, timeout: float) -> None:
        """Wait for the reading thread, unless called on it."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)


def _read(
    call: Any,
    on_message: Callable[[bytes], None],
    on_end: Callable[[grpc.StatusCode, str | None], None],
) -> None:
    try:
        for _ in map(on_message, call):  # `map` keeps no message while it waits for the next
            pass
    except grpc.RpcError:
        on_end(call.code(), call.details())
    except Exception as error:  # a bug: the futures must not stay open
        call.cancel()
        on_end(grpc.StatusCode.INTERNAL, f"reading the stream: {error!r}")
        raise
    else:
        on_end(grpc.StatusCode.OK, None)
