"""Encode a video file in this process with PyAV, which this module imports."""

from __future__ import annotations

import functools
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from av.codec.codec import UnknownCodecError
from av.error import FFmpegError

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media import colors, encoding
from flowrun.media.encoding import ABORT_TIMEOUT, FINISH_TIMEOUT
from flowrun.media.monotonic import MonotonicTimes
from flowrun.media.protocols import SinkContext
from flowrun.media.pyav.error_text import error_text, logged_errors
from flowrun.media.pyav.output_container import OutputContainer
from flowrun.spec.flow import SinkSpec


class AvEncoder:
    """Write a file with the same frames at the same times as `Encoder`, without a process and its
    pipe. The first `write` opens the file.

    Encodes on the thread that writes. Regular files only, whose writes do not block: `abort` waits
    for the frame that is being encoded, and then ends everything.
    """

    def __init__(
        self, spec: SinkSpec, context: SinkContext, size: tuple[int, int], target: Path
    ) -> None:
        self.size = size
        self._encoding = encoding.file_encoding(spec, context.info, size, target.suffix)
        self._pixel_format = colors.PIXEL_FORMATS[context.color]
        self._target, self._key = target, context.key
        self._times = MonotonicTimes(context)
        self._last = -1  # in ticks
        self._lock = threading.Lock()  # PyAV may be used by one thread at a time
        self._output: OutputContainer | None = None
        self._error: SinkError | None = None  # the first one
        self._aborted = False
        self._closed = False
        self._deadline = math.inf  # for the last packet, by `time.monotonic()`

    def write(self, frame: Frame) -> None:
        """Encode one frame. Raises `SinkError`."""
        with self._lock:
            if self._error is None and not self._aborted:
                with self._keeping_errors():
                    self._encode(frame)
            if self._aborted:
                self._finish()  # for an `abort` that timed out during this frame
                raise SinkError(f"{self._target} was aborted", key=self._key)
            if self._error is not None:
                raise self._error

    def close(self) -> None:
        """Finish the file, within `FINISH_TIMEOUT` and the time of one frame. Raises `SinkError`.
        Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._deadline = min(self._deadline, time.monotonic() + FINISH_TIMEOUT)
        self._finish_within(max(0.0, self._deadline - time.monotonic()))
        if self._error is not None and not self._aborted:
            raise self._error

    def abort(self) -> None:
        """Finish the file with the packets it has, within `ABORT_TIMEOUT`. From any thread."""
        self._deadline = time.monotonic() + ABORT_TIMEOUT / 2
        self._aborted = True
        self._finish_within(ABORT_TIMEOUT)

    def _finish_within(self, seconds: float) -> None:
        """`_finish`, unless the frame that is being encoded takes longer than `seconds`."""
        if self._lock.acquire(timeout=seconds):
            try:
                self._finish()
            finally:
                self._lock.release()

    def _encode(self, frame: Frame) -> None:
        rate = self._encoding.tick.denominator
        self._last = max(round(self._times.ns(frame) * rate / 1e9), self._last + 1)
        if self._output is None:
            self._output = self._open()
        self._output.write(frame.image, self._last, round(frame.duration * rate))

    def _open(self) -> OutputContainer:
        make = functools.partial(
            OutputContainer, self._encoding, self.size, self._pixel_format, self._target
        )
        try:
            return make()
        except UnknownCodecError as error:
            raise self._failure(f"Unknown encoder '{self._encoding.codec}'") from error
        except (FFmpegError, ValueError) as error:
            raise self._failure(logged_errors(make)) from error

    def _finish(self) -> None:
        """Write the packets that the encoder still holds, until `_deadline`, and the trailer. Under
        the lock."""
        output, self._output = self._output, None
        if output is None:
            return
        with self._keeping_errors():
            if self._error is None:
                for _ in output.flush():
                    if time.monotonic() > self._deadline:
                        raise self._failure(f"it did not end within {FINISH_TIMEOUT:g} s")
        with self._keeping_errors():
            output.close()

    @contextmanager
    def _keeping_errors(self) -> Iterator[None]:
        """Store an error of the block in `_error`, unless there is one already."""
        try:
            yield
        except SinkError as error:
            self._error = self._error or error
        except FFmpegError as error:
            if self._error is None:
                self._error = self._failure(error_text(error))
                self._error.__cause__ = error

    def _failure(self, reason: str) -> SinkError:
        return SinkError(f"av could not write {self._target}: {reason}", key=self._key)
