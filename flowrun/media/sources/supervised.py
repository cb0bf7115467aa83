"""A source that is opened again when it is lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Protocol, get_args

from flowrun.errors import SourceError, SourceReason
from flowrun.frame import Frame, VideoInfo
from flowrun.media.backoff import Backoff
from flowrun.media.sources.timeline import Timeline
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")

# What `startup: auto` waits for at a network source; the rest is for somebody to correct.
_PASSING: frozenset[SourceReason] = frozenset({"not found", "refused", "timed out", "failed"})
_EVERYTHING: frozenset[SourceReason] = frozenset(get_args(SourceReason))
_NOTHING: frozenset[SourceReason] = frozenset()
_NEARLY = 1.0  # seconds before its known end a stream counts as over


class Session(Protocol):
    """A source that is there or is not."""

    def open(self) -> VideoInfo | None: ...
    def __iter__(self) -> Iterator[Frame]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Supervised:
    """The frames of one session after another, numbered without gaps, on one time line.

    `make` makes a session. What `startup` says decides whether `open` waits for a source that is
    not there. Later a live source that fails, stalls or ends is lost: `on_loss: stop` raises,
    otherwise it is opened again as `reconnect` says, for as long as that says. A source that is not
    live ends where it ends.
    """

    def __init__(
        self,
        spec: SourceSpec,
        make: Callable[[], Session],
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self.unavailable_since: datetime | None = None
        self.reconnects = 0
        self._spec = spec
        self._make = make
        self._clock = clock
        self._wait = wait
        self._backoff = Backoff(spec.reconnect)
        self._uri = redact(spec.uri)
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # guards the session against `stop`
        self._session: Session | None = None
        self._info: VideoInfo | None = None

    def open(self) -> VideoInfo | None:
        waits = {"wait": _EVERYTHING, "fail": _NOTHING, "auto": _NOTHING}
        if self._spec.kind in ("rtsp", "http"):
            waits["auto"] = _PASSING
        return self._connect(waits[self._spec.startup])

    def __iter__(self) -> Iterator[Frame]:
        timeline, index = Timeline(), 0
        while self._session is not None and self._info is not None:
            session, info, seen = self._session, self._info, 0.0
            opened = heard = self._clock()
            error = SourceError(f"{self._uri} ended")
            try:
                for frame in session:
                    self.unavailable_since = None
                    heard, seen = self._clock(), frame.time
                    at = timeline.at(seen, frame.captured) if info.live else seen
                    yield replace(frame, index=index, time=at)
                    del frame
                    index += 1
                if not info.live or _is_over(info, seen):
                    return
            except SourceError as lost:
                error = lost
            if self._stopped.is_set():
                return
            if not info.live or self._spec.on_loss == "stop":
                raise error
            self.unavailable_since = datetime.now()
            log.warning("source: %s", error.message)
            session.close()
            if not self._pause(error, heard - opened):  # silence at the end is not health
                return
            timeline.renew()
            if self._connect(_EVERYTHING) is None:
                return
            self.reconnects += 1
            log.warning("source: %s is back", self._uri)

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

    def _connect(self, passing: Container[SourceReason]) -> VideoInfo | None:
        """Open a session, and another one after an error that is `passing`. `None`: stopped."""
        said = ""
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
                if error.reason not in passing:
                    raise
                if error.message != said:
                    said = error.message
                    log.warning("source: %s; trying again", said)
                if not self._pause(error, 0.0):
                    return None
            else:
                return self._info

    def _pause(self, error: SourceError, lasted: float) -> bool:
        """Wait for the next attempt; false if the source is stopped meanwhile. Raises `error`, the
        last one, if it is time to give up."""
        seconds = self._backoff.failed(self._clock(), lasted)
        if seconds is None:
            raise SourceError(
                error.message,
                reason=error.reason,
                hint=f"given up after {self._spec.reconnect.give_up_after:g} s, as"
                " `source.reconnect.give_up_after` says",
            ) from error
        return not self._wait(self._stopped, seconds)


def _is_over(info: VideoInfo, time: float) -> bool:
    """Whether a stream of known length has come to its end, as a recording on an RTSP server."""
    return info.duration is not None and time >= info.duration - _NEARLY
