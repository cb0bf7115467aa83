"""Pipes to and from an ffmpeg process: capacity, full reads, a second output."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

PIPE_BYTES = 1 << 20  # Linux allows an unprivileged process this much
PAUSE = 0.0003  # seconds in which ffmpeg fills a good part of the pipe, if it has data


def enlarge(descriptor: int) -> int:
    """Raise the capacity of a pipe to `PIPE_BYTES`, where the system allows it. Return its capacity
    in bytes, 0 where the system does not report it."""
    if sys.platform == "linux":
        import fcntl

        # Refused when the user's pipes already have all that an unprivileged user may allocate.
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    return 0


def read_full(
    pipe: Any, buffer: memoryview, capacity: int, pause: Callable[[float], object] = time.sleep
) -> bool:
    """Read until `buffer` is full; false if the pipe ends before that. Blocks for the writer.

    `capacity` is that of the pipe in bytes. ffmpeg writes 32 KiB at a time, and a wake-up for each
    of them costs more than copying them. So after a read of less than half the capacity this waits
    for `PAUSE`; not with a small pipe, which is full before that.
    """
    short = capacity // 2 if capacity >= PIPE_BYTES else 0
    while buffer:
        count = pipe.readinto(buffer)
        if not count:
            return False
        buffer = buffer[count:]
        if buffer and count < short:
            pause(PAUSE)
    return True


def open_second_output(platform: str) -> tuple[BinaryIO, str, tuple[int, ...]]:
    """Open another output of a child process beside its standard output. Return the stream to read,
    the URL for ffmpeg, and the descriptors that the child inherits; close these once it has
    started.

    A child inherits no descriptors on Windows: there it is a connection over the loopback
    interface.
    """
    if platform == "win32":
        listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        port = listener.getsockname()[1]
        return io.BufferedReader(_FirstConnection(listener)), f"tcp://127.0.0.1:{port}", ()
    reading, writing = os.pipe()
    return open(reading, "rb"), f"pipe:{writing}", (writing,)


class _FirstConnection(io.RawIOBase):
    """The bytes of the first connection to `listener`, accepted at the first read."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._connection: socket.socket | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._connection is None:
            self._listener.settimeout(30.0)
            self._connection, _ = self._listener.accept()
        return self._connection.recv_into(buffer)

    def close(self) -> None:
        self._listener.close()
        if self._connection is not None:
            self._connection.close()
        super().close()
