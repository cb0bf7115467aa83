"""Frames of anything that ffmpeg opens, with their presentation times."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from flowrun.errors import SourceError, SourceReason
from flowrun.frame import Frame, Image, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.banner import Banner
from flowrun.media.ffmpeg.framecrc import FrameTimes
from flowrun.media.ffmpeg.pipe import open_second_output, read_full
from flowrun.media.ffmpeg.process import Process
from flowrun.media.ffmpeg.watchdog import Watchdog
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")

# ffmpeg's words for what went wrong, most telling first.
_REASONS: tuple[tuple[str, SourceReason], ...] = (
    ("No such file or directory", "not found"),
    ("404 Not Found", "not found"),
    ("No such device", "not found"),
    ("Invalid device index", "not found"),
    ("Could not find video device", "not found"),
    ("Failed to resolve hostname", "not found"),
    ("Connection refused", "refused"),
    ("401 Unauthorized", "unauthorised"),
    ("Invalid data found", "codec"),
    ("Decoder not found", "codec"),
    ("could not find codec parameters", "codec"),
    ("timed out", "timed out"),
)


class Decoder:
    """One decoder process. Opening waits for the first frame, at most `open_timeout`; each further
    frame may take `read_timeout`, not counting the time in which nobody asks for one.

    Each frame has an array of its own of `buffers`.
    """

    def __init__(
        self,
        spec: SourceSpec,
        inputs: Callable[[SourceSpec], Sequence[str]],
        *,
        buffers: Buffers,
        live: bool | None = False,
    ) -> None:
        """`inputs` gives ffmpeg's input options, `-i` and all, or raises `SourceError`. `live`: the
        pictures come at their own pace, for ever; `None`: if no length is known."""
        self._spec = spec
        self._inputs = inputs
        self._buffers = buffers
        self._live = live
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # whether there is a process, and whether it may start
        self._process: Process | None = None
        self._info: VideoInfo | None = None

    def open(self) -> VideoInfo | None:
        inputs = self._inputs(self._spec)
        banner = Banner()
        reading, url, inherited = open_second_output(sys.platform)
        self._times = FrameTimes(reading)
        try:
            with self._lock:
                if self._stopped.is_set():
                    return None
                self._process = Process(
                    commands.decode(self._spec, inputs, url),
                    on_line=banner.read,
                    pass_fds=inherited,
                    stdout=subprocess.PIPE,
                )
        finally:
            for descriptor in inherited:
                os.close(descriptor)
            if self._process is None:
                reading.close()
        self._watchdog = Watchdog(self._process.kill)
        try:
            self._info = self._first(self._process, banner)
        except BaseException:
            self.close()
            raise
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        process, info, index = self._process, self._info, 0
        if process is None or info is None:
            return
        shape = (info.height, info.width, 3)
        try:
            while (picture := self._read(process, shape)) is not None:
                at, lasts = self._times.next(index)
                yield Frame(picture, index, at, lasts, time.monotonic())
                del picture
                index += 1
            self._end(process, index)
        finally:
            self.close()

    def stop(self) -> None:
        with self._lock:
            self._stopped.set()
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self.stop()
        if self._process is not None:
            self._process.close()
            self._times.close()
            self._watchdog.close()

    def _first(self, process: Process, banner: Banner) -> VideoInfo | None:
        """Wait for the first frame's entry; `None` if the source is stopped before it comes."""
        with self._watchdog.limit(self._spec.open_timeout):
            opened = self._times.read_header()
        if not opened:
            self._end(process, 0)
            if self._stopped.is_set():
                return None
            raise SourceError(f"there is no frame in {redact(self._spec.uri)}", reason="no video")
        banner.complete.wait(1.0)
        stream, duration = banner.stream, banner.duration
        width, height = self._spec.size or self._times.size
        fps = self._spec.fps or stream.fps
        return VideoInfo(
            width=width,
            height=height,
            fps=fps,
            duration=duration,
            frames=round(duration * fps) if duration and fps else None,
            time_base=self._times.tick,
            live=duration is None if self._live is None else self._live,
            color_range=stream.color_range,
            color_space=stream.color_space,
            color_primaries=stream.color_primaries,
            color_transfer=stream.color_transfer,
        )

    def _read(self, process: Process, shape: tuple[int, int, int]) -> Image | None:
        """The next picture, read-only, `None` at the end."""
        if self._stopped.is_set():
            return None
        picture = self._buffers.picture(shape)
        with self._watchdog.limit(self._spec.read_timeout):
            if not read_full(process.stdout, picture.data.cast("B"), process.pipe_capacity):
                return None
        picture.flags.writeable = False
        return picture

    def _end(self, process: Process, frames: int) -> None:
        """The pictures are over: return if that is how it should be, or say why it is not."""
        uri = redact(self._spec.uri)
        if self._watchdog.expired:
            allowed = self._spec.read_timeout if frames else self._spec.open_timeout
            key = "read_timeout" if frames else "open_timeout"
            raise SourceError(
                f"{uri} gave no frame for {allowed:g} s after {frames} frames",
                reason="timed out",
                hint=f"`source.{key}` says how long to wait",
            )
        if self._stopped.is_set():
            return
        status = process.wait(self._spec.read_timeout)
        text = process.error_summary()
        if process.log.contains("matches no streams"):
            raise SourceError(f"there is no video in {uri}", reason="no video")
        if status != 0:
            after = f" after {frames} frames" if frames else ""
            raise SourceError(f"{uri} cannot be read{after}: {text}", reason=reason(text))
        if process.log.error_count:
            log.warning(
                "source: ffmpeg reported %d error(s) in %s, the last: %s",
                *(process.log.error_count, uri, text),
            )


def reason(words: str) -> SourceReason:
    """What ffmpeg's last words mean."""
    return next((reason for sign, reason in _REASONS if sign in words), "failed")
