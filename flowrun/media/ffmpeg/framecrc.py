"""Read the presentation times of decoded frames, which come on a pipe beside the pixels.

ffmpeg's `framecrc` muxer writes, for one stream, header lines such as `#tb 0: 1/11456` and
`#dimensions 0: 640x360`, then for every frame `stream, dts, pts, duration, size, checksum` in ticks
of that time base.
"""

from __future__ import annotations

from fractions import Fraction
from typing import BinaryIO

from flowrun.errors import SourceError

_FIELDS = 6


class FrameTimes:
    """Parse one entry per frame, in order. Reads block; killing the process that writes ends
    them."""

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines
        self._first: bytes = b""
        self.tick = Fraction(1, 1000)  # seconds
        self.size = (0, 0)  # width, height

    def read_header(self) -> bool:
        """Read up to the entry of the first frame; false if there is none."""
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
        """Presentation time and duration of the next frame, number `index`, in seconds."""
        line, self._first = self._first or self._lines.readline(), b""
        fields = line.split(b",")
        if len(fields) < _FIELDS:
            raise SourceError(f"ffmpeg reported no presentation time for frame {index}")
        pts, duration = int(fields[2]), int(fields[3])
        return float(pts * self.tick), float(duration * self.tick)

    def close(self) -> None:
        self._lines.close()
