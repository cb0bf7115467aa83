"""A video file, encoded in this process by PyAV, which is imported with this module."""

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
from flowrun.media import encoding
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.encoder import ABORT_TIMEOUT, FINISH_TIMEOUT
from flowrun.media.monotonic import MonotonicTimes
from flowrun.media.protocols import SinkContext
from flowrun.media.pyav.error_text import error_text, logged_errors
from flowrun.media.pyav.output_container import Output
from flowrun.spec.flow import SinkSpec


class AvEncoder:
    """The same pictures at the same times as those of `Encoder` in a file, without a process and
    its pipe. Nothing is done before the first `write`.

    Works on the thread that writes. Into regular files only, whose writes do not block: `abort`
    waits for the picture that is being encoded, and then ends everything.
    """

    def __init__(
        self, spec: SinkSpec, context: SinkContext, size: tuple[int, int], target: Path
    ) -> None:
        self.size = size
        self._how = encoding.file(spec, context.info, size, target.suffix)
        self._form = commands.PIXELS[context.color]
        self._target, self._key = target, context.key
        self._times = MonotonicTimes(context)
        self._last = -1  # in ticks
        self._lock = threading.Lock()  # PyAV may be used by one thread at a time
        self._output: Output | None = None
        self._error: SinkError | None = None  # the first one
        self._aborted = False
        self._closed = False
        self._until = math.inf  # when the last packet must have come, by `time.monotonic()`

    def write(self, frame: Frame) -> None:
        """Encode one frame. Raises `SinkError`."""
        with self._lock:
            if self._error is None and not self._aborted:
                with self._noted():
                    self._encode(frame)
            if self._aborted:
                self._finish()  # for an `abort` that could not wait for this frame
                raise SinkError(f"{self._target} was given up", key=self._key)
            if self._error is not None:
                raise self._error

    def close(self) -> None:
        """Finish the file, within `FINISH_TIMEOUT` and the time of a picture. Raises `SinkError`.
        Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._until = min(self._until, time.monotonic() + FINISH_TIMEOUT)
        self._finish_within(max(0.0, self._until - time.monotonic()))
        if self._error is not None and not self._aborted:
            raise self._error

    def abort(self) -> None:
        """Finish the file with what it has, within `ABORT_TIMEOUT`. From any thread."""
        self._until = time.monotonic() + ABORT_TIMEOUT / 2
        self._aborted = True
        self._finish_within(ABORT_TIMEOUT)

    def _finish_within(self, seconds: float) -> None:
        """`_finish`, unless the picture that is being encoded takes longer than that."""
        if self._lock.acquire(timeout=seconds):
            try:
                self._finish()
            finally:
                self._lock.release()

    def _encode(self, frame: Frame) -> None:
        rate = self._how.tick.denominator
        self._last = max(round(self._times.ns(frame) * rate / 1e9), self._last + 1)
        if self._output is None:
            self._output = self._opened()
        self._output.write(frame.image, self._last, round(frame.duration * rate))

    def _opened(self) -> Output:
        make = functools.partial(Output, self._how, self.size, self._form, self._target)
        try:
            return make()
        except UnknownCodecError as error:
            raise self._failure(f"Unknown encoder '{self._how.codec}'") from error
        except (FFmpegError, ValueError) as error:
            raise self._failure(logged_errors(make)) from error

    def _finish(self) -> None:
        """Write what the encoder still has, until `_until`, and the end of the file. Whoever calls
        has the lock."""
        output, self._output = self._output, None
        if output is None:
            return
        with self._noted():
            if self._error is None:
                for _ in output.finish():
                    if time.monotonic() > self._until:
                        raise self._failure(f"it did not end within {FINISH_TIMEOUT:g} s")
        with self._noted():
            output.close()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """What goes wrong is `_error`, unless something went wrong before it."""
        try:
            yield
        except SinkError as error:
            self._error = self._error or error
        except FFmpegError as error:
            if self._error is None:
                self._error = self._failure(error_text(error))
                self._error.__cause__ = error

    def _failure(self, why: str) -> SinkError:
        return SinkError(f"av could not write {self._target}: {why}", key=self._key)
