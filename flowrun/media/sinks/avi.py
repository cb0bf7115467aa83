"""Write the times of frames into AVI, which has none: a frame is shown for a whole number of ticks,
of which its muxer writes each."""

from __future__ import annotations

from flowrun.frame import Frame
from flowrun.media.sinks.encoders import FileEncoder

# The muxer refuses steps of more than 60,000 ticks of 1/1000 s or longer.
MAX_STEP = 30.0  # seconds between two frames
_GAP = 1.0  # seconds between two frames from which on the first one is repeated
_PERIOD = 0.04  # seconds after which it is, if the frame does not have its duration


class AviTimes:
    """Write frames with `encoder`, their times counted from the first one.

    In a gap the last frame is repeated: once at its end, because players that decode H.264 in AVI
    take the time of the next frame for that of a frame, and every `MAX_STEP`.
    """

    def __init__(self, encoder: FileEncoder) -> None:
        self.size = encoder.size
        self._encoder = encoder
        self._start = 0.0
        self._last: Frame | None = None

    def write(self, frame: Frame) -> None:
        if self._last is None:
            self._start = frame.time
        at = frame.time - self._start
        if self._last is not None and at - self._last.time > _GAP:
            self._repeat(self._last, min(self._last.duration or _PERIOD, _GAP))
        while self._last is not None and at - self._last.time > MAX_STEP:
            self._repeat(self._last, MAX_STEP)
        self._write(_moved(frame, at))

    def close(self) -> None:
        self._last = None
        self._encoder.close()

    def abort(self) -> None:
        self._encoder.abort()

    def _repeat(self, last: Frame, seconds: float) -> None:
        self._write(_moved(last, last.time + seconds))

    def _write(self, frame: Frame) -> None:
        self._encoder.write(frame)
        self._last = frame


def _moved(frame: Frame, time: float) -> Frame:
    return frame.placed(frame.index, time, frame.captured)
