"""Choose the decoder of a source, which `source.decoder` sets."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence

from flowrun.errors import SourceError
from flowrun.frame import Frame, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.decoder import Decoder
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
    buffers: Buffers,
    live: bool | None = False,
    low_delay: bool = False,
    url: Callable[[str], str] | None = None,
) -> MakeSession:
    """A function that makes the sessions of a source.

    `inputs`, `buffers` and `live` as those of `Decoder`, `low_delay` as that of `AvDecoder`; `url`
    of a source that may be a regular file, as that of `FileInput`. Raises `InvalidFlowError` if the
    flow asks for PyAV and it cannot be imported.
    """

    def ffmpeg() -> Session:
        return Decoder(spec, inputs, buffers=buffers, live=live)

    if spec.decoder == "ffmpeg":
        return ffmpeg
    try:
        from flowrun.media.pyav.decoder import AvDecoder
        from flowrun.media.pyav.inputs import FetchedInput, FileInput
    except ImportError as error:
        if spec.decoder == "auto":
            return ffmpeg
        raise missing(error, "source.decoder") from error

    def av() -> Session:
        direct = not commands.own_options(spec, decodes=False)  # these are for a process
        if direct and url is not None and os.path.isfile(spec.uri):
            return AvDecoder(spec, FileInput(spec, url), buffers=buffers)
        source = FetchedInput(spec, inputs, live=live)
        return AvDecoder(spec, source, buffers=buffers, low_delay=low_delay)

    return av if spec.decoder == "av" else lambda: FallbackSession(spec, av, ffmpeg)


class FallbackSession:
    """A session of `first`, or of `second` if the first one cannot decode the source."""

    def __init__(self, spec: SourceSpec, first: MakeSession, second: MakeSession) -> None:
        self._uri = redact(spec.uri)
        self._second = second
        self._lock = threading.Lock()  # guards the session against `stop`
        self._stopped = False
        self._session = first()

    def open(self) -> VideoInfo | None:
        try:
            return self._session.open()
        except SourceError as error:
            if error.reason != "codec":
                raise
            with self._lock:
                if self._stopped:
                    return None
                self._session = self._second()
            info = self._session.open()
            log.info("source: ffmpeg decodes %s: %s", self._uri, error.message)
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
