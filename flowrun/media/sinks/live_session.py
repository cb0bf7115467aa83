"""Publish a live stream over one connection, from its start to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.encoder import Encoder
from flowrun.media.ffmpeg.stderr import is_error
from flowrun.media.ffmpeg.watchdog import Watchdog
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.live_outputs import output_of, waits_for_caller
from flowrun.sound import SoundPacket
from flowrun.spec.flow import SinkSpec
from flowrun.spec.secrets import redact

OPEN_TIMEOUT = 10.0  # seconds for the receiver to accept the stream
STALL_TIMEOUT = 5.0  # seconds that a write may block before the receiver counts as unavailable
_CLOSE_TIMEOUT = 3.0  # seconds for the end of the protocol, such as TEARDOWN of RTSP


class LiveSession:
    """Send frames of one size to the receiver, until either side closes.

    `open` and `write` are called by one thread at a time, `abort` by any.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext, size: tuple[int, int]) -> None:
        self.since = time.monotonic()
        self._spec = spec
        self._uri = redact(spec.uri)
        self._key = context.key
        self._responded = threading.Event()
        self._refused = False
        self._encoder = Encoder(
            commands.publish(
                *(spec, context.info, size),
                output_of(spec.uri).arguments(spec.uri, context.info),
                sound=context.sound is not None,
            ),
            context,
            size,
            self._uri,
            on_line=self._parse_line,
            finish_timeout=_CLOSE_TIMEOUT,
            finishes=spec.kind == "hls",
        )
        self._watchdog = Watchdog(self._encoder.kill)

    def open(self, frame: Frame) -> None:
        """Send the first frame, and return when the receiver has accepted the stream. Raises
        `SinkError`, at the latest after `OPEN_TIMEOUT`; a caller is waited for until `abort`."""
        if waits_for_caller(self._spec.uri):
            self._encoder.write(frame)
            self._responded.wait()
        else:
            self._await_receiver(frame)
        if self._refused:
            raise self._encoder.failure()

    def _await_receiver(self, frame: Frame) -> None:
        end = time.monotonic() + OPEN_TIMEOUT
        self.write(frame)
        if not self._responded.wait(end - time.monotonic()):
            raise SinkError(
                f"{self._uri} did not accept the stream within {OPEN_TIMEOUT:g} s", key=self._key
            )

    def write(self, frame: Frame) -> None:
        """Send one frame; blocks while the encoder is busy. Raises `SinkError`."""
        self._in_time(partial(self._encoder.write, frame))

    def write_sound(self, packet: SoundPacket) -> None:
        """Send one packet of sound, as `write` does."""
        self._in_time(partial(self._encoder.write_sound, packet))

    def _in_time(self, send: Callable[[], None]) -> None:
        try:
            with self._watchdog.limit(STALL_TIMEOUT):
                send()
        except SinkError as error:
            if not self._watchdog.expired:
                raise
            raise SinkError(
                f"{self._uri} accepted no data for {STALL_TIMEOUT:g} s", key=self._key
            ) from error

    def close(self) -> None:
        """End the session in order. Raises `SinkError` if it had already failed. Idempotent,
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
        # ffmpeg logs an output once its header is written: after the response to RECORD of RTSP, to
        # `publish` of RTMP, and once an SRT peer is connected.
        if self._responded.is_set():
            return
        self._refused = is_error(line)
        if self._refused or "Output #0" in line:
            self._responded.set()
