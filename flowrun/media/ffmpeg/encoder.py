"""Encode frames with an ffmpeg process."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Sequence

import numpy as np

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.encoding import ABORT_TIMEOUT, FINISH_TIMEOUT
from flowrun.media.ffmpeg import matroska
from flowrun.media.ffmpeg.process import Process
from flowrun.media.monotonic import MonotonicTimes
from flowrun.media.protocols import SinkContext
from flowrun.sound import SoundPacket


class Encoder:
    """Send frames of one `size` (width, height) to the standard input of the ffmpeg of
    `arguments`, which writes `target`, a name for errors.

    With `context.sound`, the stream has a track for it.

    One thread, except for `abort` and `kill`. Every method raises `SinkError` with ffmpeg's own
    messages once ffmpeg has failed. `finish_timeout` limits `close`, in seconds. An ffmpeg that
    `finishes` ends its file even if this process is killed.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        context: SinkContext,
        size: tuple[int, int],
        target: str,
        *,
        on_line: Callable[[str], None] = lambda line: None,
        finish_timeout: float = FINISH_TIMEOUT,
        finishes: bool = True,
    ) -> None:
        self.size = size
        self._target = target
        self._key = context.key
        self._times = MonotonicTimes(context)
        self._sound_from: int | None = None  # nanoseconds
        self._aborted = False
        self._closed = False
        self._finish_timeout = finish_timeout
        self._process = Process(
            arguments, on_line=on_line, stdin=subprocess.PIPE, finishes=finishes
        )
        try:
            header = matroska.header(
                *(*size, context.color),
                duration_ns=round(1e9 / context.info.fps) if context.info.fps else None,
                sound=None if context.sound is None else context.sound.format,
            )
            self._send(memoryview(header))
        except SinkError:
            self._process.close()
            raise

    def write(self, frame: Frame) -> None:
        """Send one frame; blocks while the encoder is busy."""
        pixels = np.ascontiguousarray(frame.image).data.cast("B")
        time_ns = self._times.ns(frame)
        if self._sound_from is None:
            self._sound_from = time_ns
        header = matroska.frame_header(time_ns, round(frame.duration * 1e9), len(pixels))
        self._send(memoryview(header))
        self._send(pixels)

    def write_sound(self, packet: SoundPacket) -> None:
        """Send one packet, unless it begins before the first frame, or not after the previous
        packet: where the clock of the source has jumped, sound may overlap."""
        time_ns = round(packet.time * 1e9)
        if self._sound_from is None or time_ns < self._sound_from:
            return
        self._sound_from = time_ns + 1
        self._send(
            memoryview(matroska.sound_packet(time_ns, round(packet.duration * 1e9), packet.data))
        )

    def close(self) -> None:
        """Finish the output; waits for the encoder, at most `finish_timeout`. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self._process.stdin.close()
            status = self._process.wait(ABORT_TIMEOUT if self._aborted else self._finish_timeout)
            if self._aborted:
                return
            if status is None:
                raise SinkError(
                    f"ffmpeg did not finish {self._target} within {self._finish_timeout:g} s",
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

    def kill(self) -> None:
        """End the process now; a blocked `write` raises."""
        self._process.kill()

    def failure(self) -> SinkError:
        """The error for a process that has failed, or is about to exit."""
        if self._aborted:
            return SinkError(f"{self._target} was aborted", key=self._key)
        # An ffmpeg whose output has failed may still wait for the end of its input.
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait(5.0)
        return SinkError(
            f"ffmpeg could not write {self._target}: {self._process.error_summary()}",
            key=self._key,
        )

    def _send(self, data: memoryview) -> None:
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except (OSError, ValueError) as error:
            raise self.failure() from error
