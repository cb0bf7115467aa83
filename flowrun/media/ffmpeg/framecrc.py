"""The presentation times of decoded frames, read beside the pictures.

ffmpeg's `framecrc` muxer writes, for one stream, header lines such as `#tb 0: 1/11456` and
`#dimensions 0: 640x360`, then for every frame `stream, dts, pts, duration, size, checksum` in ticks
of that time base.
"""

from __future__ import annotations

import io
import os
import socket
from fractions import Fraction
from typing import BinaryIO

from flowrun.errors import SourceError

_FIELDS = 6


def open_times(platform: str) -> tuple[BinaryIO, str, tuple[int, ...]]:
    """A second way out of a child process: where to read, the URL for ffmpeg, and the descriptors
    that the child inherits (to be closed once it has started).

    Windows hands down no descriptors, so there it is a connection over the loopback interface.
    """
    if platform == "win32":
        listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        port = listener.getsockname()[1]
        return _Accepted(listener), f"tcp://127.0.0.1:{port}", ()
    reading, writing = os.pipe()
    return open(reading, "rb"), f"pipe:{writing}", (writing,)


class Times:
    """One entry per frame, in order. Reads are bounded by whoever owns the process: it is killed
    when it is overdue, which ends them."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self._first: bytes = b""
        self.tick = Fraction(1, 1000)  # seconds
        self.size = (0, 0)

    def open(self) -> bool:
        """Read up to the first frame's entry; false if there is none."""
        for line in self._lines:
            if not line.startswith(b"#"):
                self._first = line
                return True
            name, _, value = line[1:].decode("ascii", "replace").strip().partition(": ")
            if name == "tb 0":
                self.tick = Fraction(value)
            elif name == "dimensions 0":
                width, height = value.split("x")
                self.size = (int(width), int(height))
        return False

    def next(self, index: int) -> tuple[float, float]:
        """Presentation time and duration of the next frame in seconds."""
        line, self._first = self._first or self._lines.readline(), b""
        fields = line.split(b",")
        if len(fields) < _FIELDS:
            raise SourceError(f"ffmpeg gave frame {index} no presentation time")
        pts, duration = int(fields[2]), int(fields[3])
        return float(pts * self.tick), float(duration * self.tick)

    def close(self) -> None:
        self._lines.close()


class _Accepted(io.BufferedReader):
    """The bytes of the first connection to `listener`, which is accepted at the first read."""

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(_FirstConnection(listener))


class _FirstConnection(io.RawIOBase):
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
