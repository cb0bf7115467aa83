"""A live stream to an RTSP server, which may come and go."""

from __future__ import annotations

import logging
import socket
import threading
import time
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from flowrun.errors import SinkError, SinkUnavailableError
from flowrun.frame import Frame
from flowrun.media.backoff import Backoff
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.fit import fit
from flowrun.media.sinks.live_clock import LiveClock
from flowrun.media.sinks.placeholder import placeholder
from flowrun.media.sinks.rtsp_session import Publication
from flowrun.spec.flow import SinkSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")

_FPS = 25.0  # where neither flow nor source knows
_CHECK = 5.0  # seconds for the server to be reached at all
_PORTS = {"rtsp": 554, "rtsps": 322}


class RtspSink:
    """Publishes frames as they come, and the last one again where one is missing.

    The server has to be there at the start. When it goes away later, frames are lost
    (`SinkUnavailableError`) until it is back, as `reconnect` says; a thread `flowrun-publish` sees
    to that. The first frame decides the size; later ones are scaled to it. While the source is away
    and `SinkContext.unavailable_since` says so, a placeholder takes the place of the last frame.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self.repeated = 0
        self.reconnects = 0
        self.address = redact(spec.uri)
        self.unavailable_since: datetime | None = None
        interval = 1 / (spec.fps or context.info.fps or _FPS)
        self.every = interval / 2
        self._spec, self._context = spec, context
        self._clock = LiveClock(interval)
        self._repeats = spec.timing != "source"
        self._size: tuple[int, int] | None = None  # of the stream
        self._given: tuple[int, int] | None = None  # of the last frame that was not of that size
        self._last: Frame | None = None
        self._backoff = Backoff(spec.reconnect)
        self._over = threading.Event()
        self._lock = threading.Lock()  # guards the publications against `abort`
        self._publication: Publication | None = None  # to write to
        self._latest: Publication | None = None  # this one, or one that is being opened
        self._error: SinkError | None = None  # it was given up
        self._thread: threading.Thread | None = None
        self._reach()

    def write(self, frame: Frame) -> None:
        if self._error is not None:
            raise self._error
        picture = replace(frame, time=self._clock.frame(frame.time, time.monotonic()))
        if self._size is None:
            self._size = (frame.width, frame.height)
            if self._size[0] % 2 or self._size[1] % 2:
                log.info("%s: %dx%d is odd, so it is padded", self._context.key, *self._size)
        picture = self._fitted(picture, self._size)
        first, self._last = self._last is None, picture
        if first:
            self._publication = self._open(picture)
        elif self._publication is None:
            raise SinkUnavailableError(f"{self.address} is away", key=self._context.key)
        elif (error := self._send(self._publication, picture)) is not None:
            raise SinkUnavailableError(error.message, key=self._context.key) from error

    def tick(self) -> None:
        """Show the last frame again, or the placeholder, if its time has come."""
        if self._error is not None:
            raise self._error
        publication, last = self._publication, self._last
        if publication is None or last is None or not self._repeats:
            return
        at = self._clock.repeat(time.monotonic())
        if at is None:
            return
        since = self._context.unavailable_since()
        image = last.image if since is None else placeholder((last.width, last.height), since)
        if self._send(publication, replace(last, image=image, time=at)) is None:
            self.repeated += 1

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            with self._lock:
                latest = self._latest
            if latest is not None and self._publication is None:
                latest.abort()  # it is just being opened
            self._thread.join(timeout=5.0)
        publication, self._publication = self._publication, None
        if publication is not None:
            try:
                publication.close()
            except SinkError as error:
                log.warning("%s: %s", self._context.key, error.message)

    def abort(self) -> None:
        self._over.set()
        with self._lock:
            latest = self._latest
        if latest is not None:
            latest.abort()

    def _send(self, publication: Publication, picture: Frame) -> SinkError | None:
        """Write; what went wrong, if the server is lost."""
        try:
            publication.write(picture)
        except SinkError as error:
            self._publication = None
            self.unavailable_since = datetime.now()
            publication.give_up()
            if not self._over.is_set():
                log.warning("%s: %s; trying again", self._context.key, error.message)
                lasted = time.monotonic() - publication.since
                self._thread = threading.Thread(
                    target=self._come_back, args=(error, lasted), name="flowrun-publish"
                )
                self._thread.start()
            return error
        return None

    def _come_back(self, error: SinkError, lasted: float) -> None:
        """Open another publication, as often as it takes."""
        while True:
            pause = self._backoff.failed(time.monotonic(), lasted)
            if pause is None:
                self._error = SinkError(
                    error.message,
                    key=self._context.key,
                    hint=f"given up after {self._spec.reconnect.give_up_after:g} s, as"
                    " `sink.reconnect.give_up_after` says",
                )
                return
            if self._over.wait(pause) or self._last is None:
                return
            now = self._clock.catch_up(time.monotonic())
            try:
                publication = self._open(replace(self._last, time=now))
            except SinkError as failure:
                error, lasted = failure, 0.0
                log.debug("%s: %s", self._context.key, error.message)
                continue
            self.reconnects += 1
            self.unavailable_since = None
            log.warning("%s: %s is back", self._context.key, self.address)
            self._publication = publication
            return

    def _open(self, picture: Frame) -> Publication:
        with self._lock:
            if self._over.is_set():
                raise SinkError(f"{self.address} was aborted", key=self._context.key)
            size = (picture.width, picture.height)
            publication = self._latest = Publication(self._spec, self._context, size)
        try:
            publication.open(picture)
        except SinkError:
            publication.give_up()
            raise
        return publication

    def _fitted(self, picture: Frame, size: tuple[int, int]) -> Frame:
        now = (picture.width, picture.height)
        if now == size:
            return picture
        if now != self._given:
            log.warning(
                "%s: the picture changed from %dx%d to %dx%d at frame %d: scaled, as a stream"
                " cannot change its size",
                *(self._context.key, *size, *now, picture.index),
            )
        self._given = now
        return picture.with_image(fit(picture.image, size))

    def _reach(self) -> None:
        """Raise `SinkError` now if nobody listens there."""
        url = urlsplit(self._spec.uri)
        port = url.port or _PORTS[url.scheme.lower()]
        try:
            socket.create_connection((url.hostname or "", port), timeout=_CHECK).close()
        except OSError as error:
            reason = "timed out" if isinstance(error, TimeoutError) else error.strerror or error
            raise SinkError(
                f"no RTSP server answers at {url.hostname}:{port} ({reason})",
                key=self._context.key,
                hint="start it, or correct the address; when it goes away later, the run goes on",
            ) from error
