"""Decode the frames of a file in this process with PyAV, which this module imports."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flowrun.errors import SourceError
from flowrun.frame import Frame, Image, VideoInfo
from flowrun.media import source_errors
from flowrun.media.pyav.error_text import error_text
from flowrun.media.pyav.filters import Filters
from flowrun.media.pyav.stream_info import stream_info
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")


class AvDecoder:
    """The same pixels at the same times as those of `Decoder`, without a process and its pipes.

    Regular files only: their reads do not block, so `stop` takes effect within a packet. Each
    image keeps memory of PyAV, which the filters reuse once the frame is freed.
    """

    def __init__(self, spec: SourceSpec, url: Callable[[str], str]) -> None:
        """`url` turns the URI into the URL for ffmpeg, or raises `SourceError`."""
        self._spec = spec
        self._url = url
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # PyAV may be used by one thread at a time
        self._container: InputContainer | None = None
        self._decoded: Iterator[VideoFrame] = iter(())
        self._first: VideoFrame | None = None
        self._error_count = 0
        self._last_error = ""

    def open(self) -> VideoInfo | None:
        self._file = self._url(self._spec.uri)
        if not os.path.isfile(self._spec.uri):
            raise SourceError(
                f"`av` reads regular files only, and {redact(self._spec.uri)} is not one",
                key="source.decoder",
                hint="omit `decoder`: ffmpeg reads every kind of source",
            )
        self._decoded = self._decode()
        try:
            self._first = first = self._next()
        except BaseException:
            self.close()
            raise
        if first is None:
            self.close()
            if self._error_count:
                raise source_errors.unreadable(self._spec.uri, self._last_error)
            return None  # stopped
        return replace(
            self._info, width=first.width, height=first.height, time_base=_time_base(first)
        )

    def __iter__(self) -> Iterator[Frame]:
        decoded, index = self._first, 0
        self._first = None
        try:
            while decoded is not None and not self._stopped.is_set():
                yield Frame(_image(decoded), index, *_times(decoded), time.monotonic())
                index += 1
                decoded = self._next()
        finally:
            self.close()
        if self._error_count:
            log.warning(
                "source: av reported %d error(s) in %s, the last: %s",
                *(self._error_count, self._spec.uri, self._last_error),
            )

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.stop()
        with self._lock:
            self._decoded = iter(())
            self._close_container()

    def _next(self) -> VideoFrame | None:
        with self._lock:
            try:
                return next(self._decoded, None)
            except FFmpegError as error:  # of the filters; errors of the decoder are counted
                raise source_errors.unreadable(self._spec.uri, error_text(error)) from error

    def _decode(self) -> Iterator[VideoFrame]:
        """All frames of the file in RGB; with `loop` again and again, shifted each time by the
        duration of the file."""
        filters: Filters | None = None
        shift = 0
        while not self._stopped.is_set():
            first, end = None, 0
            container, stream = self._open_container()
            filters = filters or Filters(self._spec, _time_base(stream))
            for frame in self._frames(container, stream):
                frame.pts = end if frame.pts is None else frame.pts
                first = frame.pts if first is None else first
                frame.duration = _duration(frame, stream)
                end = frame.pts + frame.duration
                frame.pts += shift
                yield from filters.push(frame)
            if first is None and not self._error_count and not self._stopped.is_set():
                raise source_errors.without_frames(self._spec.uri)
            if first is None or not self._spec.loop:
                break
            shift += max(end - first, 1)
        if filters is not None:
            yield from filters.push(None)

    def _open_container(self) -> tuple[InputContainer, VideoStream]:
        """Open the file at its start. Return it with its first video stream."""
        self._close_container()
        uri = self._spec.uri
        try:
            container = self._container = av.open(self._file)
        except FFmpegError as error:
            raise source_errors.unreadable(uri, error_text(error)) from error
        for stream in container.streams.video:
            if Disposition.attached_pic not in stream.disposition:
                if stream.codec_context is None:
                    raise source_errors.unreadable(
                        uri, "PyAV has no decoder for its codec", reason="codec"
                    )
                stream.thread_type = "AUTO"
                self._info = stream_info(container, stream, self._spec)
                return container, stream
        raise source_errors.without_video(uri)

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Every frame that can be decoded. Errors are counted, and drop the frames that ffmpeg
        drops too."""
        packets = container.demux(stream)
        while not self._stopped.is_set():
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
            except FFmpegError as error:
                self._error_count += 1
                self._last_error = error_text(error)

    def _close_container(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = None


def _time_base(of: VideoStream | VideoFrame) -> Fraction:
    """The unit of its times in seconds."""
    return of.time_base or Fraction(1, 90_000)


def _duration(frame: VideoFrame, stream: VideoStream) -> int:
    """The duration of a frame in ticks; where unset, that of the stream's average rate."""
    if frame.duration or not stream.average_rate:
        return frame.duration
    return round(1 / stream.average_rate / _time_base(stream))


def _times(frame: VideoFrame) -> tuple[float, float]:
    """Presentation time and duration in seconds."""
    tick = _time_base(frame)
    return float((frame.pts or 0) * tick), float(frame.duration * tick)


def _image(frame: VideoFrame) -> Image:
    """The memory of the frame itself, read-only; a copy where its rows are not contiguous."""
    image: Image = np.ascontiguousarray(frame.to_ndarray())
    image.flags.writeable = False
    return image
