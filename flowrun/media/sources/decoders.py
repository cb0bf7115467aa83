"""Choose the decoder of a source, which `source.decoder` sets."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence

from flowrun.errors import InvalidFlowError, SourceError, SourceReason
from flowrun.frame import Frame, VideoInfo
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.decoder import Decoder
from flowrun.media.protocols import SourceContext
from flowrun.media.pyav.availability import missing
from flowrun.media.sources.reconnecting import Session
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")

Inputs = Callable[[SourceSpec], Sequence[str]]
MakeSession = Callable[[], Session]


def sessions(
    spec: SourceSpec,
    inputs: Inputs,
    *,
    context: SourceContext,
    live: bool | None = False,
    low_delay: bool = False,
    url: Callable[[str], str] | None = None,
) -> MakeSession:
    """A function that makes the sessions of a source.

    `inputs` and `live` as those of `Decoder`, `low_delay` as that of `AvDecoder`; `url`
    of a source that may be a regular file, as that of `FileInput`. Raises `InvalidFlowError` if the
    flow asks for PyAV and it cannot be imported, or for sound without PyAV.
    """

    def ffmpeg() -> Session:
        return Decoder(spec, inputs, buffers=context.buffers, live=live)

    if spec.decoder == "ffmpeg":
        if context.sound:
            raise InvalidFlowError(
                "`source.decoder` is 'ffmpeg', which passes no sound on to `audio: copy`",
                key="source.decoder",
                hint="remove it",
            )
        return ffmpeg
    try:
        from flowrun.media.pyav.decoder import AvDecoder
        from flowrun.media.pyav.inputs import FetchedInput, FileInput
    except ImportError as error:
        if spec.decoder == "auto":
            return ffmpeg
        raise missing(error, "source.decoder") from error

    def av() -> Session:
        direct = not commands.own_options(spec.ffmpeg, decodes=False)  # these are for a process
        if direct and url is not None and os.path.isfile(spec.uri):
            return AvDecoder(spec, FileInput(spec, url), context)
        source = FetchedInput(spec, inputs, live=live, sound=context.sound)
        return AvDecoder(spec, source, context, low_delay=low_delay)

    if spec.decoder == "av":
        return av
    uri = redact(spec.uri)

    def opened(error: SourceError) -> None:
        log.info("source: ffmpeg decodes %s: %s", uri, error.message)
        if context.sound:
            log.warning("source: ffmpeg passes no sound on: that of %s is not copied", uri)

    return lambda: FallbackSession("codec", av(), lambda _: ffmpeg(), opened)


class FallbackSession:
    """A session that is replaced by another one if it cannot be opened for a certain reason."""

    def __init__(
        self,
        reason: SourceReason,
        first: Session,
        second: Callable[[SourceError], Session],
        opened: Callable[[SourceError], None],
    ) -> None:
        """`second` makes the other session after an error of `first` with this `reason`; `opened`
        gets that error once the other one is open."""
        self._reason = reason
        self._second = second
        self._opened = opened
        self._lock = threading.Lock()  # guards the session against `stop`
        self._stopped = False
        self._session = first

    def open(self) -> VideoInfo | None:
        try:
            return self._session.open()
        except SourceError as error:
            if error.reason != self._reason:
                raise
            self._session.close()
            with self._lock:
                if self._stopped:
                    return None
                self._session = self._second(error)
            info = self._session.open()
            if info is not None:
                self._opened(error)
            return info

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._session)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            session = self._session
        session.stop()

    def close(self) -> None:
        self.stop()
        self._session.close()
