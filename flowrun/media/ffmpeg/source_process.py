"""Run the ffmpeg that reads a source: end it from any thread, limit its reads, report its end."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from flowrun.errors import SourceError
from flowrun.media import clock_jumps, source_errors
from flowrun.media.ffmpeg.hidden_url import hide_url
from flowrun.media.ffmpeg.process import Process
from flowrun.media.ffmpeg.watchdog import Watchdog
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import MASK, redact
from flowrun.spec.user_info import hidden

log = logging.getLogger("flowrun")


class SourceProcess:
    """One ffmpeg process, which writes to its standard output.

    One thread starts it and reads; it holds `pipes` meanwhile. `stop` and `close` are for any
    thread.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self.stopped = threading.Event()
        self.pipes = threading.RLock()  # held by the thread that opens, reads or closes them
        self._spec = spec
        self._starting = threading.Lock()  # guards the start of the process against `stop`
        self._process: Process | None = None
        self._watchdog: Watchdog | None = None

    def start(
        self,
        arguments: Sequence[str],
        on_line: Callable[[str], None],
        pass_fds: Sequence[int] = (),
    ) -> bool:
        """Start ffmpeg, after the end of one that was started before; `on_line` gets each line of
        its standard error. False if `stop` came before. The process list shows no password."""
        with self._starting:
            if self.stopped.is_set():
                return False
            self._release()
            arguments, listed = hide_url(arguments, self._spec.uri)
            self._process = Process(
                arguments,
                input=listed,
                on_line=partial(self._read_line, on_line),
                pass_fds=pass_fds,
                stdout=subprocess.PIPE,
            )
            self._watchdog = Watchdog(self._process.kill)
        return True

    @property
    def output(self) -> Any:
        """Its standard output, unbuffered. Only after `start`."""
        return self._running.stdout

    @property
    def capacity(self) -> int:
        """The size of the pipe in bytes, 0 where unknown. Only after `start`."""
        return self._running.pipe_capacity

    @contextmanager
    def limit(self, frames: int) -> Iterator[None]:
        """Kill the process if the block, which waits for frame number `frames`, takes longer than
        the source's `open_timeout` (for the first frame) or `read_timeout`."""
        assert self._watchdog is not None  # noqa: S101
        with self._watchdog.limit(self._timeout(frames)):
            yield

    def stop(self) -> None:
        """End the process, and with it a read that is blocked. Does not wait."""
        with self._starting:
            self.stopped.set()
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """`stop`, and release everything. Idempotent, bounded."""
        self.stop()  # ends a read on another thread, which then releases the pipes
        with self.pipes:
            self._release()

    def _release(self) -> None:
        if self._process is not None and self._watchdog is not None:
            self._process.close()
            self._watchdog.close()

    def check_end(self, frames: int) -> None:
        """Return if the output ended normally after `frames` frames, or by `stop`; otherwise raise
        `SourceError`. Errors that ended nothing are logged."""
        uri = redact(self._spec.uri)
        if self._watchdog is not None and self._watchdog.expired:
            key = "read_timeout" if frames else "open_timeout"
            raise SourceError(
                f"{uri} gave no frame for {self._timeout(frames):g} s after {frames} frames",
                reason="timed out",
                hint=f"`source.{key}` sets how long to wait",
            )
        if self.stopped.is_set():
            return
        process = self._running
        status = process.wait(self._spec.read_timeout)
        text = process.error_summary()
        if process.log.contains("matches no streams"):
            raise source_errors.without_video(self._spec.uri)
        if status != 0:
            reason = source_errors.reason_of(process.log.errors())
            raise source_errors.unreadable(self._spec.uri, text, frames=frames, reason=reason)
        if process.log.error_count:
            log.warning(
                "source: ffmpeg reported %d error(s) in %s, the last: %s",
                *(process.log.error_count, uri, hidden(text, self._spec.uri, MASK)),
            )

    def _read_line(self, on_line: Callable[[str], None], line: str) -> None:
        seconds = clock_jumps.in_line(line)
        if seconds is not None:
            clock_jumps.warn(self._spec.uri, seconds)
        on_line(line)

    @property
    def _running(self) -> Process:
        assert self._process is not None  # noqa: S101
        return self._process

    def _timeout(self, frames: int) -> float:
        return self._spec.read_timeout if frames else self._spec.open_timeout
