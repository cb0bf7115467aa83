"""Publish to an RTSP server over one connection, from ANNOUNCE to TEARDOWN."""

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
STALL_TIMEOUT = 5.0  # seconds that a write may block before the server counts as unavailable
_CLOSE_TIMEOUT = 3.0  # seconds for TEARDOWN


class RtspSession:
    """Send frames of one size to the server, until either side closes.

    `open` and `write` are called by one thread at a time, `abort` by any.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext, size: tuple[int, int]) -> None:
        self.since = time.monotonic()
        self._uri = redact(spec.uri)
        self._key = context.key
        self._responded = threading.Event()
        self._refused = False
        self._encoder = Encoder(
            commands.publish(spec, context.info, size),
            context,
            size,
            self._uri,
            on_line=self._parse_line,
            finish_timeout=_CLOSE_TIMEOUT,
        )
        self._watchdog = Watchdog(self._encoder.kill)

    def open(self, frame: Frame) -> None:
        """Send the first frame, and return when the server has accepted the stream. Raises
        `SinkError`, at the latest after `OPEN_TIMEOUT`."""
        end = time.monotonic() + OPEN_TIMEOUT
        self.write(frame)
        if not self._responded.wait(end - time.monotonic()):
            raise SinkError(
                f"{self._uri} did not accept the stream within {OPEN_TIMEOUT:g} s", key=self._key
            )
        if self._refused:
            raise self._encoder.failure()

    def write(self, frame: Frame) -> None:
        """Send one frame; blocks while the encoder is busy. Raises `SinkError`."""
        try:
            with self._watchdog.limit(STALL_TIMEOUT):
                self._encoder.write(frame)
        except SinkError as error:
            if not self._watchdog.expired:
                raise
            raise SinkError(
                f"{self._uri} accepted no data for {STALL_TIMEOUT:g} s", key=self._key
            ) from error

    def close(self) -> None:
        """End the session with TEARDOWN. Raises `SinkError` if it had already failed. Idempotent,
        bounded."""
        self._watchdog.close()
        self._encoder.close()

    def abort(self) -> None:
        """End the session at once, from any thread; a blocked `write` raises `SinkError`."""
        self._encoder.abort()
        self._refused = True
        self._responded.set()
        self._watchdog.close()

    def discard(self) -> None:
        """`abort`, and release all resources."""
        self.abort()
        self._encoder.close()

    def _parse_line(self, line: str) -> None:
        # ffmpeg logs an output once its header is written: here, after the response to RECORD.
        if self._responded.is_set():
            return
        self._refused = is_error(line)
        if self._refused or "Output #0" in line:
            self._responded.set()
