"""One encoder process and the stream of pictures into it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence

import numpy as np

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.ffmpeg import matroska
from flowrun.media.ffmpeg.process import Process
from flowrun.media.monotonic import MonotonicTimes
from flowrun.media.protocols import SinkContext

FINISH_TIMEOUT = 60.0  # seconds for the look-ahead and the trailer
ABORT_TIMEOUT = 0.4


class Encoder:
    """Pictures of one `size` (width, height) into the ffmpeg of `arguments`, which takes them from
    standard input and writes `target`, as errors call it; `finish` is the time in seconds that it
    has for the rest at the end.

    Used by one thread, but for `abort`. Every method raises `SinkError` with ffmpeg's last words
    when ffmpeg has ended before its time.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        context: SinkContext,
        size: tuple[int, int],
        target: str,
        *,
        on_line: Callable[[str], None] = lambda line: None,
        finish: float = FINISH_TIMEOUT,
    ) -> None:
        self.size = size
        self._target = target
        self._key = context.key
        self._times = MonotonicTimes(context)
        self._aborted = False
        self._finished = False
        self._finish = finish
        self._process = Process(arguments, on_line=on_line, stdin=subprocess.PIPE)
        try:
            lasts = round(1e9 / context.info.fps) if context.info.fps else None
            self._send(memoryview(matroska.header(*size, context.color, duration_ns=lasts)))
        except SinkError:
            self._process.close()
            raise

    def write(self, frame: Frame) -> None:
        """Take one frame; blocks while the encoder is busy."""
        picture = np.ascontiguousarray(frame.image).data.cast("B")
        header = matroska.frame_header(
            self._times.ns(frame), round(frame.duration * 1e9), len(picture)
        )
        self._send(memoryview(header))
        self._send(picture)

    def close(self) -> None:
        """Finish; waits for the encoder, at most `finish` seconds. Idempotent."""
        if self._finished:
            return
        self._finished = True
        try:
            self._process.stdin.close()
            status = self._process.wait(ABORT_TIMEOUT if self._aborted else self._finish)
            if self._aborted:
                return
            if status is None:
                raise SinkError(
                    f"ffmpeg did not finish {self._target} within {self._finish:g} s",
                    key=self._key,
                )
            if status != 0:
                raise self.failure()
        finally:
            self._process.close()

    def abort(self) -> None:
        """End the process within `ABORT_TIMEOUT`, its file finished if time allows."""
        self._aborted = True
        self._process.terminate()
        if self._process.wait(ABORT_TIMEOUT) is None:
            self._process.kill()

    def _send(self, data: memoryview) -> None:
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except (OSError, ValueError) as error:
            raise self.failure() from error

    def kill(self) -> None:
        """End the process now; a blocked `write` raises."""
        self._process.kill()

    def failure(self) -> SinkError:
        """The error for a process that has ended before its time, or is about to."""
        if self._aborted:
            return SinkError(f"{self._target} was given up", key=self._key)
        # An ffmpeg whose output has failed may wait for the end of its input all the same.
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait(5.0)
        return SinkError(
            f"ffmpeg could not write {self._target}: {self._process.error_summary()}", key=self._key
        )
