"""Publish a live stream over RTSP, RTMP, SRT or UDP, and reconnect when the receiver was
unavailable."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from dataclasses import replace
from urllib.parse import urlsplit

from flowrun.errors import SinkError, SinkUnavailableError
from flowrun.frame import Frame
from flowrun.image.scaling import FILTERS, scaled
from flowrun.media.backoff import Backoff
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.live_clock import LiveClock
from flowrun.media.sinks.live_outputs import output_of, waits_for_caller
from flowrun.media.sinks.live_session import LiveSession
from flowrun.media.sinks.placeholder import placeholder
from flowrun.spec.flow import SinkSpec
from flowrun.spec.secrets import redact
from flowrun.system.downtime import Downtime, HasDowntime

log = logging.getLogger("flowrun")

_DEFAULT_FPS = 25.0  # if neither the flow nor the source has a rate
_CONNECT_TIMEOUT = 5.0  # seconds, for the check at the start


class LiveStreamSink(HasDowntime):
    """Publish frames as they arrive, and repeat the last one where one is missing.

    The receiver must be available at the start, except for SRT as a listener, where the caller may
    come later. While it is unavailable, frames fail (`SinkUnavailableError`) and a thread
    `flowrun-publish` tries to reconnect, as `reconnect` configures it. The first frame decides the
    size; later ones are scaled to it. While `SinkContext.unavailable_since` reports an unavailable
    source, a placeholder replaces the last frame.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self.repeated = 0
        self.reconnects = 0
        self.address = redact(spec.uri)
        interval = 1 / (spec.fps or context.info.fps or _DEFAULT_FPS)
        self.every = interval / 2
        self._spec, self._context = spec, context
        self._clock = LiveClock(interval)
        self._repeats = spec.timing != "source"
        self._size: tuple[int, int] | None = None  # of the stream
        self._resized_from: tuple[int, int] | None = None  # the size of the last resized frame
        self._last: Frame | None = None
        self._end = 0.0  # of the frame written last, in the source's time
        self._downtime = Downtime()
        self._backoff = Backoff(spec.reconnect)
        self._closed = threading.Event()
        self._lock = threading.Lock()  # guards `_latest` against `abort`
        self._session: LiveSession | None = None  # the open one
        self._latest: LiveSession | None = None  # the open one, or one that is opening
        self._error: SinkError | None = None  # after `give_up_after`
        self._thread: threading.Thread | None = None
        self._check_reachable()

    def write(self, frame: Frame) -> None:
        if self._error is not None:
            raise self._error
        shown = replace(frame, time=self._clock.frame(frame.time, time.monotonic()))
        if self._size is None:
            self._size = (frame.width, frame.height)
            self._context = self._context.of_frame(frame)
            if self._size[0] % 2 or self._size[1] % 2:
                log.info("%s: %dx%d is odd, so it is padded", self._context.key, *self._size)
        shown = self._resized(shown, self._size)
        first, self._last = self._last is None, shown
        if first and not waits_for_caller(self._spec.uri):
            self._session = self._open(shown)
            return
        if first:
            log.info("%s: %s waits for a caller", self._context.key, self.address)
            self._downtime.begin()
            self._start_to_reconnect(SinkError("no caller"), 0.0)
        if self._session is None:
            raise SinkUnavailableError(f"{self.address} is unavailable", key=self._context.key)
        if (error := self._send(self._session, shown)) is not None:
            raise SinkUnavailableError(error.message, key=self._context.key) from error
        self._end = frame.time + frame.duration
        self._send_sound()

    def tick(self) -> None:
        """Repeat the last frame, or show the placeholder, when one is due."""
        if self._error is not None:
            raise self._error
        session, last = self._session, self._last
        if session is None or last is None or not self._repeats:
            return
        at = self._clock.repeat(time.monotonic())
        if at is None:
            return
        since = self._context.unavailable_since()
        image = last.image if since is None else placeholder((last.width, last.height), since)
        if self._send(session, replace(last, image=image, time=at)) is None:
            self.repeated += 1
            self._send_sound()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            with self._lock:
                latest = self._latest
            if latest is not None and self._session is None:
                latest.abort()  # it is still opening
            self._thread.join(timeout=5.0)
        self._send_sound(last=True)
        session, self._session = self._session, None
        if session is not None:
            try:
                session.close()
            except SinkError as error:
                log.warning("%s: %s", self._context.key, error.message)

    def abort(self) -> None:
        self._closed.set()
        with self._lock:
            latest = self._latest
        if latest is not None:
            latest.abort()

    def _send(self, session: LiveSession, frame: Frame) -> SinkError | None:
        """Write a frame. On an error, return it and start to reconnect."""
        try:
            session.write(frame)
        except SinkError as error:
            self._lost(session, error)
            return error
        return None

    def _send_sound(self, *, last: bool = False) -> None:
        """Write the sound until the end of the frame written last, all that there is where the
        last frame is repeated. On an error, start to reconnect."""
        session, sound = self._session, self._context.sound
        if session is None or sound is None:
            return
        try:
            end = math.inf if self._repeats else self._end
            for packet in sound.take_last(end) if last else sound.take(end):
                session.write_sound(replace(packet, time=self._clock.unbound(packet.time)))
        except SinkError as error:
            self._lost(session, error)

    def _lost(self, session: LiveSession, error: SinkError) -> None:
        self._session = None
        self._downtime.begin()
        session.discard()
        if not self._closed.is_set():
            log.warning("%s: %s; trying again", self._context.key, error.message)
            self._start_to_reconnect(error, time.monotonic() - session.since)

    def _start_to_reconnect(self, error: SinkError, lasted: float) -> None:
        self._thread = threading.Thread(
            target=self._reconnect, args=(error, lasted), name="flowrun-publish"
        )
        self._thread.start()

    def _reconnect(self, error: SinkError, lasted: float) -> None:
        """Open another session, with as many attempts as `reconnect` allows."""
        while True:
            delay = self._backoff.next_delay(time.monotonic(), lasted)
            if delay is None:
                self._error = SinkError(
                    error.message, key=self._context.key, hint=self._backoff.give_up_hint("sink")
                )
                return
            if self._closed.wait(delay) or self._last is None:
                return
            now = self._clock.catch_up(time.monotonic())
            try:
                session = self._open(replace(self._last, time=now))
            except SinkError as failure:
                error, lasted = failure, 0.0
                log.debug("%s: %s", self._context.key, error.message)
                continue
            self.reconnects += 1
            self._downtime.end()
            log.warning("%s: %s is available again", self._context.key, self.address)
            self._session = session
            return

    def _open(self, frame: Frame) -> LiveSession:
        with self._lock:
            if self._closed.is_set():
                raise SinkError(f"{self.address} was aborted", key=self._context.key)
            size = (frame.width, frame.height)
            session = self._latest = LiveSession(self._spec, self._context, size)
        try:
            session.open(frame)
        except SinkError:
            session.discard()
            raise
        return session

    def _resized(self, frame: Frame, size: tuple[int, int]) -> Frame:
        new = (frame.width, frame.height)
        if new == size:
            return frame
        if new != self._resized_from:
            log.warning(
                "%s: the frame size changed from %dx%d to %dx%d at frame %d; frames are scaled,"
                " because a stream cannot change its size",
                *(self._context.key, *size, *new, frame.index),
            )
        self._resized_from = new
        return frame.with_image(scaled(frame.image, size, FILTERS["nearest"]))

    def _check_reachable(self) -> None:
        """Raise `SinkError` now if nothing listens at the address, for protocols where that can be
        known."""
        output, url = output_of(self._spec.uri), urlsplit(self._spec.uri)
        if output.server is None:
            return
        port = url.port or output.port
        try:
            socket.create_connection((url.hostname or "", port), timeout=_CONNECT_TIMEOUT).close()
        except OSError as error:
            reason = "timed out" if isinstance(error, TimeoutError) else error.strerror or error
            raise SinkError(
                f"no {output.server} answers at {url.hostname}:{port} ({reason})",
                key=self._context.key,
                hint="start it, or correct the address; a run goes on when the server becomes"
                " unavailable later",
            ) from error
