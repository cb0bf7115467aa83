"""Decode the frames of anything that ffmpeg opens, with their presentation times."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from flowrun.errors import SourceError
from flowrun.frame import Frame, Image, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.media import source_errors
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.framecrc import FrameTimes
from flowrun.media.ffmpeg.pipe import open_second_output, read_full
from flowrun.media.ffmpeg.process import Process
from flowrun.media.ffmpeg.stream_info import StreamInfoParser
from flowrun.media.ffmpeg.watchdog import Watchdog
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")


class Decoder:
    """One decoder process. Opening waits for the first frame, at most `open_timeout`; each further
    frame may take `read_timeout`, not counting the time in which none is requested.

    Each frame has an array of its own, allocated from `buffers`.
    """

    def __init__(
        self,
        spec: SourceSpec,
        inputs: Callable[[SourceSpec], Sequence[str]],
        *,
        buffers: Buffers,
        live: bool | None = False,
    ) -> None:
        """`inputs` returns ffmpeg's input options, `-i` included, or raises `SourceError`. `live`:
        the frames arrive at the source's own pace, without an end; `None`: live if the duration is
        unknown."""
        self._spec = spec
        self._inputs = inputs
        self._buffers = buffers
        self._live = live
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # guards the start of the process against `stop`
        self._pipes = threading.RLock()  # held by the thread that opens, reads or closes them
        self._process: Process | None = None
        self._info: VideoInfo | None = None

    def open(self) -> VideoInfo | None:
        with self._pipes:
            return self._open()

    def __iter__(self) -> Iterator[Frame]:
        process, info, index = self._process, self._info, 0
        if process is None or info is None:
            return
        shape = (info.height, info.width, 3)
        try:
            while (frame := self._next(process, shape, index)) is not None:
                yield frame
                del frame
                index += 1
            self._check_end(process, index)
        finally:
            self.close()

    def stop(self) -> None:
        with self._lock:
            self._stopped.set()
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self.stop()  # ends a read on another thread, which then releases the pipes
        with self._pipes:
            if self._process is not None:
                self._process.close()
                self._times.close()
                self._watchdog.close()

    def _open(self) -> VideoInfo | None:
        inputs = self._inputs(self._spec)
        parser = StreamInfoParser()
        reading, url, inherited = open_second_output(sys.platform)
        self._times = FrameTimes(reading)
        try:
            with self._lock:
                if self._stopped.is_set():
                    return None
                self._process = Process(
                    commands.decode(self._spec, inputs, url),
                    on_line=parser.feed,
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
            self._info = self._wait_first(self._process, parser)
        except BaseException:
            self.close()
            raise
        return self._info

    def _wait_first(self, process: Process, parser: StreamInfoParser) -> VideoInfo | None:
        """Wait for the first frame's entry; `None` if the source is stopped before it arrives."""
        with self._watchdog.limit(self._spec.open_timeout):
            found = self._times.read_header()
        if not found:
            self._check_end(process, 0)
            if self._stopped.is_set():
                return None
            raise source_errors.without_frames(self._spec.uri)
        parser.complete.wait(1.0)
        stream, duration = parser.stream, parser.duration
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

    def _next(self, process: Process, shape: tuple[int, int, int], index: int) -> Frame | None:
        """Frame number `index`; `None` at the end, or when the source was stopped."""
        with self._pipes:
            try:
                image = self._read(process, shape)
                if image is None:
                    return None
                pts, duration = self._times.next(index)
            except SourceError:
                if self._stopped.is_set():  # `stop` ended the pipe between image and time
                    return None
                raise
        return Frame(image, index, pts, duration, time.monotonic())

    def _read(self, process: Process, shape: tuple[int, int, int]) -> Image | None:
        """The next image, read-only, `None` at the end."""
        if self._stopped.is_set():
            return None
        image = self._buffers.picture(shape)
        with self._watchdog.limit(self._spec.read_timeout):
            if not read_full(process.stdout, image.data.cast("B"), process.pipe_capacity):
                return None
        image.flags.writeable = False
        return image

    def _check_end(self, process: Process, frames: int) -> None:
        """Return if the output ended normally or by `stop`, else raise `SourceError`."""
        uri = redact(self._spec.uri)
        if self._watchdog.expired:
            timeout = self._spec.read_timeout if frames else self._spec.open_timeout
            key = "read_timeout" if frames else "open_timeout"
            raise SourceError(
                f"{uri} gave no frame for {timeout:g} s after {frames} frames",
                reason="timed out",
                hint=f"`source.{key}` sets how long to wait",
            )
        if self._stopped.is_set():
            return
        status = process.wait(self._spec.read_timeout)
        text = process.error_summary()
        if process.log.contains("matches no streams"):
            raise source_errors.without_video(self._spec.uri)
        if status != 0:
            raise source_errors.unreadable(self._spec.uri, text, frames=frames)
        if process.log.error_count:
            log.warning(
                "source: ffmpeg reported %d error(s) in %s, the last: %s",
                *(process.log.error_count, uri, text),
            )
