"""Request one JPEG picture again and again."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import cast

from flowrun.errors import SourceError
from flowrun.frame import Frame, Image, Picture, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.image.jpeg import JpegImages
from flowrun.media import source_errors
from flowrun.media.ffmpeg.watchdog import Watchdog
from flowrun.media.protocols import Source
from flowrun.media.pyav.availability import missing
from flowrun.media.sources.http_request import HttpError, HttpRequest
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

Decode = Callable[[bytes], Picture | Image]  # raises `ValueError`

_START, _END = b"\xff\xd8", b"\xff\xd9"  # markers of JPEG (ITU-T T.81, B.1.1.3)


def snapshot(spec: SourceSpec, buffers: Buffers) -> Source:
    """A live source with a frame every `source.poll` seconds, whose times are those of arrival. A
    request that fails makes the source unavailable."""
    decoder = _decoder(spec, buffers)
    return ReconnectingSource(spec, lambda: SnapshotSession(spec, decoder()))


def _decoder(spec: SourceSpec, buffers: Buffers) -> Callable[[], Decode]:
    """PyAV, or Pillow where the flow leaves the choice and PyAV cannot be imported."""
    try:
        from flowrun.media.pyav.jpeg import JpegPictures
    except ImportError as error:
        if spec.decoder == "auto":
            return lambda: JpegImages(spec.size, spec.color)
        raise missing(error, "source.decoder") from error
    return lambda: JpegPictures(spec, buffers)


class SnapshotSession:
    """Requests until one fails. Each has a connection of its own."""

    def __init__(
        self, spec: SourceSpec, decode: Decode, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._spec = spec
        self._decode = decode
        self._clock = clock
        self._every = spec.poll or 0.0
        self._request = HttpRequest()
        self._stopped = threading.Event()
        self._watchdog = Watchdog(self._request.interrupt)
        self._first: Frame | None = None
        self._start = 0.0

    def open(self) -> VideoInfo | None:
        self._start = self._clock()
        self._first = first = self._next(0)
        if first is None:
            return None
        return VideoInfo(
            first.width, first.height, fps=1 / self._every, live=True, timing="arrival",
            color_range="pc", color_space="bt470bg",  # of every JPEG (JFIF)
        )  # fmt: skip

    def __iter__(self) -> Iterator[Frame]:
        frame, due, index = self._first, self._start, 0
        self._first = None
        while frame is not None:
            yield frame
            del frame
            index += 1
            due = max(due + self._every, self._clock())  # a late request is not made up for
            if self._stopped.wait(max(due - self._clock(), 0.0)):
                return
            frame = self._next(index)

    def stop(self) -> None:
        self._stopped.set()
        self._request.interrupt()

    def close(self) -> None:
        self.stop()
        self._watchdog.close()

    def _next(self, index: int) -> Frame | None:
        """Request frame number `index`; `None` if the source is stopped."""
        if self._stopped.is_set():
            return None
        spec, key = self._spec, "read_timeout" if index else "open_timeout"
        timeout = spec.read_timeout if index else spec.open_timeout
        try:
            with self._watchdog.limit(timeout):  # also of a server that sends byte by byte
                data = self._request.get(spec.uri, timeout)
            captured = self._clock()
            picture = self._decode(_complete(data))
        except (HttpError, OSError, ValueError, http.client.HTTPException) as error:
            if self._stopped.is_set():
                return None
            if self._watchdog.expired or isinstance(error, TimeoutError):
                raise SourceError(
                    f"{redact(spec.uri)} gave no frame for {timeout:g} s after {index} frames",
                    reason="timed out",
                    hint=f"`source.{key}` sets how long to wait",
                ) from error
            raise _failure(spec.uri, error, index) from error
        return Frame(cast(Image, picture), index, captured - self._start, self._every, captured)


def _complete(data: bytes) -> bytes:
    if not data.startswith(_START) or _END not in data:
        raise HttpError("the response is not a complete JPEG picture", "codec")
    return data


def _failure(uri: str, error: Exception, frames: int) -> SourceError:
    if isinstance(error, HttpError):
        reason = error.reason
    elif isinstance(error, ConnectionRefusedError):
        reason = "refused"
    elif isinstance(error, socket.gaierror):
        reason = "not found"
    else:
        reason = "failed"
    text = error.strerror if isinstance(error, OSError) else None
    return source_errors.unreadable(
        uri, text or str(error) or type(error).__name__, frames=frames, reason=reason
    )
