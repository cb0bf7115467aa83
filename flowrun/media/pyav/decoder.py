"""The frames of a file, decoded in this process by PyAV, which is imported with this module."""

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

from flowrun.errors import SourceError, SourceReason
from flowrun.frame import Frame, Image, VideoInfo
from flowrun.media.ffmpeg.decoder import reason
from flowrun.media.pyav.error_text import words
from flowrun.media.pyav.filters import Filters
from flowrun.media.pyav.stream_info import info
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")


class AvDecoder:
    """The same pictures at the same times as those of `Decoder`, without a process and its pipes.

    Regular files only: their reads do not block, so that `stop` ends everything within a packet.
    The memory of a picture is its own until the frame dies; then the filters use it again.
    """

    def __init__(self, spec: SourceSpec, url: Callable[[str], str]) -> None:
        """`url` gives the file's as ffmpeg takes it, or raises `SourceError`."""
        self._spec = spec
        self._url = url
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # PyAV may be used by one thread at a time
        self._container: InputContainer | None = None
        self._pictures: Iterator[VideoFrame] = iter(())
        self._first: VideoFrame | None = None
        self._faults = 0
        self._fault = ""  # the last one

    def open(self) -> VideoInfo | None:
        self._file = self._url(self._spec.uri)
        if not os.path.isfile(self._spec.uri):
            raise SourceError(
                f"`av` reads regular files only, and {redact(self._spec.uri)} is none",
                key="source.decoder",
                hint="leave `decoder` out: ffmpeg reads whatever there is",
            )
        self._pictures = self._decoded()
        try:
            self._first = first = self._next()
        except BaseException:
            self.close()
            raise
        if first is None:
            self.close()
            if self._faults:
                raise self._unreadable(self._fault)
            return None  # stopped
        return replace(self._info, width=first.width, height=first.height, time_base=_tick(first))

    def __iter__(self) -> Iterator[Frame]:
        picture, index = self._first, 0
        self._first = None
        try:
            while picture is not None and not self._stopped.is_set():
                yield Frame(_image(picture), index, *_times(picture), time.monotonic())
                index += 1
                picture = self._next()
        finally:
            self.close()
        if self._faults:
            log.warning(
                "source: av found %d faults in %s, the last: %s",
                *(self._faults, self._spec.uri, self._fault),
            )

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.stop()
        with self._lock:
            self._pictures = iter(())
            self._shut()

    def _next(self) -> VideoFrame | None:
        with self._lock:
            try:
                return next(self._pictures, None)
            except FFmpegError as error:  # of the filters; what cannot be decoded is a fault
                raise self._unreadable(words(error)) from error

    def _decoded(self) -> Iterator[VideoFrame]:
        """The pictures from the first to the last, and with `loop` over and over, later each time
        by the length of the file."""
        filters: Filters | None = None
        shift = 0
        while not self._stopped.is_set():
            first, end = None, 0
            container, stream = self._opened()
            filters = filters or Filters(self._spec, _tick(stream))
            for frame in self._frames(container, stream):
                frame.pts = end if frame.pts is None else frame.pts
                first = frame.pts if first is None else first
                frame.duration = _lasts(frame, stream)
                end = frame.pts + frame.duration
                frame.pts += shift
                yield from filters.pictures(frame)
            if first is None and not self._faults and not self._stopped.is_set():
                raise SourceError(f"there is no frame in {self._spec.uri}", reason="no video")
            if first is None or not self._spec.loop:
                break
            shift += max(end - first, 1)
        if filters is not None:
            yield from filters.pictures(None)

    def _opened(self) -> tuple[InputContainer, VideoStream]:
        """The file from its start, and its first stream of pictures."""
        self._shut()
        try:
            container = self._container = av.open(self._file)
        except FFmpegError as error:
            raise self._unreadable(words(error)) from error
        for stream in container.streams.video:
            if Disposition.attached_pic not in stream.disposition:
                if stream.codec_context is None:
                    raise self._unreadable("PyAV has no decoder for it", "codec")
                stream.thread_type = "AUTO"
                self._info = info(container, stream, self._spec)
                return container, stream
        raise SourceError(f"there is no video in {self._spec.uri}", reason="no video")

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """All that can be decoded; what cannot is a fault, and costs what it costs ffmpeg."""
        packets = container.demux(stream)
        while not self._stopped.is_set():
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
            except FFmpegError as error:
                self._faults += 1
                self._fault = words(error)

    def _shut(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = None

    def _unreadable(self, words: str, why: SourceReason | None = None) -> SourceError:
        return SourceError(f"{self._spec.uri} cannot be read: {words}", reason=why or reason(words))


def _tick(of: VideoStream | VideoFrame) -> Fraction:
    """The unit of its times in seconds."""
    return of.time_base or Fraction(1, 90_000)


def _lasts(frame: VideoFrame, stream: VideoStream) -> int:
    """In ticks, how long the frame is shown; by the rate of the stream if it does not say."""
    if frame.duration or not stream.average_rate:
        return frame.duration
    return round(1 / stream.average_rate / _tick(stream))


def _times(picture: VideoFrame) -> tuple[float, float]:
    """Presentation time and duration in seconds."""
    tick = _tick(picture)
    return float((picture.pts or 0) * tick), float(picture.duration * tick)


def _image(picture: VideoFrame) -> Image:
    """The picture's own memory, read-only; a copy where its lines do not follow one another."""
    image: Image = np.ascontiguousarray(picture.to_ndarray())
    image.flags.writeable = False
    return image
