"""One connection to an RTSP server, from ANNOUNCE to TEARDOWN."""

from __future__ import annotations

import threading
import time

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.encoder import Encoder
from flowrun.media.ffmpeg.stderr import is_error
from flowrun.media.ffmpeg.watchdog import Watchdog
from flowrun.media.protocols import SinkContext
from flowrun.spec.flow import SinkSpec
from flowrun.spec.secrets import redact

OPEN_TIMEOUT = 10.0  # seconds for the server to accept the stream
STALL = 5.0  # seconds that a write may be blocked before the server counts as gone
_FINISH = 3.0  # seconds to say goodbye


class Publication:
    """Frames of one size to the server, until one of the two goes away.

    `open` and `write` belong to one thread after the other; `abort` may come from any.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext, size: tuple[int, int]) -> None:
        self.since = time.monotonic()
        self._uri = redact(spec.uri)
        self._key = context.key
        self._answered = threading.Event()
        self._refused = False
        self._encoder = Encoder(
            commands.publish(spec, context.info),
            context,
            size,
            self._uri,
            on_line=self._heard,
            finish_timeout=_FINISH,
        )
        self._watchdog = Watchdog(self._encoder.kill)

    def open(self, frame: Frame) -> None:
        """Send the first frame, and return when the server has accepted the stream. Raises
        `SinkError`, at the latest after `OPEN_TIMEOUT`."""
        end = time.monotonic() + OPEN_TIMEOUT
        self.write(frame)
        if not self._answered.wait(end - time.monotonic()):
            raise SinkError(
                f"{self._uri} did not accept the stream within {OPEN_TIMEOUT:g} s", key=self._key
            )
        if self._refused:
            raise self._encoder.failure()

    def write(self, frame: Frame) -> None:
        """Take one frame; blocks while the encoder is busy. Raises `SinkError`."""
        try:
            with self._watchdog.limit(STALL):
                self._encoder.write(frame)
        except SinkError as error:
            if not self._watchdog.expired:
                raise
            raise SinkError(f"{self._uri} took nothing for {STALL:g} s", key=self._key) from error

    def close(self) -> None:
        """Say goodbye. Raises `SinkError` if the server was gone already. Idempotent, bounded."""
        self._watchdog.close()
        self._encoder.close()

    def abort(self) -> None:
        """Leave without a word, from any thread; a blocked `write` raises `SinkError`."""
        self._encoder.abort()
        self._refused = True
        self._answered.set()
        self._watchdog.close()

    def give_up(self) -> None:
        """Leave without a word, and leave nothing behind."""
        self.abort()
        self._encoder.close()

    def _heard(self, line: str) -> None:
        # ffmpeg describes an output once the header is written: here, once RECORD was answered.
        if self._answered.is_set():
            return
        self._refused = is_error(line)
        if self._refused or "Output #0" in line:
            self._answered.set()
