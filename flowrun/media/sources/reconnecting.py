"""Reopen a source that became unavailable."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterator
from typing import Protocol, get_args

from flowrun.errors import SourceError, SourceReason
from flowrun.frame import Frame, VideoInfo
from flowrun.media.backoff import Backoff
from flowrun.media.sources.frame_clock import FrameClock
from flowrun.media.sources.pacer import Wait
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact
from flowrun.system.downtime import Downtime, HasDowntime

log = logging.getLogger("flowrun")

# With `startup: auto`, these are retried at a network source. The others need a correction. A
# stream that has just begun may have sent nothing but sound so far.
_TRANSIENT: frozenset[SourceReason] = frozenset({"not found", "refused", "timed out", "failed"})
_STREAM_TRANSIENT: frozenset[SourceReason] = _TRANSIENT | {"no video"}
_ALL: frozenset[SourceReason] = frozenset(get_args(SourceReason))
_NONE: frozenset[SourceReason] = frozenset()
_END_TOLERANCE = 1.0  # seconds before its known end from which on a stream counts as complete


class Session(Protocol):
    """One connection to a source, as `Source` defines these methods."""

    def open(self) -> VideoInfo | None: ...
    def __iter__(self) -> Iterator[Frame]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class ReconnectingSource(HasDowntime):
    """The frames of consecutive sessions, numbered without gaps, on one time line.

    `make` creates a session. `startup` decides whether `open` waits for an unavailable source.
    Later, a live source that fails, stalls or ends is unavailable: with `on_loss: stop` that
    raises, otherwise the source is reopened as `reconnect` configures it. A source that is not live
    ends when its session ends.
    """

    def __init__(
        self,
        spec: SourceSpec,
        make: Callable[[], Session],
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = threading.Event.wait,
    ) -> None:
        self.reconnects = 0
        self._spec = spec
        self._make = make
        self._clock = clock
        self._wait = wait
        self._downtime = Downtime(clock)
        self._backoff = Backoff(spec.reconnect)
        self._uri = redact(spec.uri)
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # guards the session against `stop`
        self._session: Session | None = None
        self._info: VideoInfo | None = None

    def open(self) -> VideoInfo | None:
        retried = {"wait": _ALL, "fail": _NONE, "auto": _NONE}
        if self._spec.kind in ("rtsp", "stream", "http"):
            retried["auto"] = _STREAM_TRANSIENT if self._spec.kind == "stream" else _TRANSIENT
        info = self._connect(retried[self._spec.startup])
        self._downtime.end()
        if info is not None and info.tone_mapped:
            log.info(
                "source: %s is HDR (%s); it is converted to SDR, unless `source.tone_map` is false",
                *(self._uri, info.tone_mapped),
            )
        return info

    def __iter__(self) -> Iterator[Frame]:
        clock = FrameClock(self._spec.uri, self._stopped, self._clock, self._wait)
        index = 0
        while self._session is not None and self._info is not None:
            session, info, pts = self._session, self._info, 0.0
            place = clock.begin(info)
            opened = last_arrival = self._clock()
            error = SourceError(f"{self._uri} ended")
            try:
                for frame in session:
                    self._downtime.end()
                    last_arrival, pts = self._clock(), frame.time
                    placed = place(frame)
                    if placed is None:
                        return
                    yield frame.placed(index, *placed)
                    del frame
                    index += 1
                if not info.live:
                    return
                if _is_complete(info, pts):
                    log.info("source: %s ended at its length, %g s", self._uri, info.duration)
                    return
            except SourceError as failure:
                error = failure
            if self._stopped.is_set():
                return
            if not info.live or self._spec.on_loss == "stop":
                raise error
            self._downtime.begin()
            log.warning("source: %s", error.message)
            session.close()
            # A stall at the end does not count as a healthy connection.
            if not self._pause(error, last_arrival - opened):
                return
            if self._connect(_ALL) is None:
                return
            self.reconnects += 1
            log.warning("source: %s is available again", self._uri)

    def stop(self) -> None:
        with self._lock:
            self._stopped.set()
            session = self._session
        if session is not None:
            session.stop()

    def close(self) -> None:
        self.stop()
        if self._session is not None:
            self._session.close()

    def _connect(self, retried: Container[SourceReason]) -> VideoInfo | None:
        """Open a session, and another one after an error whose reason is in `retried`. `None` if
        the source is stopped."""
        logged = ""
        while True:
            with self._lock:
                if self._stopped.is_set():
                    return None
                session = self._session = self._make()
            try:
                self._info = session.open()
            except SourceError as error:
                session.close()
                if self._stopped.is_set():
                    return None
                if error.reason not in retried:
                    raise
                self._downtime.begin()
                if error.message != logged:
                    logged = error.message
                    log.warning("source: %s; trying again", logged)
                if not self._pause(error, 0.0):
                    return None
            else:
                return self._info

    def _pause(self, error: SourceError, lasted: float) -> bool:
        """Wait before the next attempt; false if the source is stopped meanwhile. Raises `error`,
        the last one, when `give_up_after` has passed."""
        seconds = self._backoff.next_delay(self._clock(), lasted)
        if seconds is None:
            raise SourceError(
                error.message, reason=error.reason, hint=self._backoff.give_up_hint("source")
            ) from error
        return not self._wait(self._stopped, seconds)


def _is_complete(info: VideoInfo, time: float) -> bool:
    """Whether a stream of known length has reached its end, such as a recording on an RTSP
    server."""
    return info.duration is not None and time >= info.duration - _END_TOLERANCE
