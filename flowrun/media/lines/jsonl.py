"""Write the fate of every frame as a line of JSON."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.lines.line import encoded, line_of
from flowrun.media.protocols import Fate, SinkContext
from flowrun.spec.flow import SinkSpec

log = logging.getLogger("flowrun")


class JsonLinesSink:
    """One line per captured frame, in the order in which their fates are decided.

    Each line is written to the file at once, and as a whole or not at all. Frames are accepted and
    discarded. `missing` is 1 if the first line that was not written is that of a delivered frame.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self._context = context
        self._key, self._claims = context.key, context.claims
        self._path = Path(spec.uri)
        self._lock = threading.Lock()
        self.missing = 0
        self.delivered = self.failed = 0  # delivered frames with and without their line
        self.error: SinkError | None = None  # after which no more lines are written
        self._raised = False
        self._claims.take(self._path, self._key, overwrite=spec.overwrite)
        try:
            self._file = self._path.open("wb" if spec.overwrite else "xb", buffering=0)
        except OSError as error:
            raise self._failure(error) from error
        self._size = 0  # bytes of the complete lines

    def note(self, fate: Fate) -> None:
        """Write the line of `fate`. From any thread; an error is raised by `write` and `close`."""
        if not self._context.when(fate.data):
            return
        line = encoded(line_of(fate, self._context.run, datetime.now().astimezone()))
        with self._lock:
            delivered = fate.fate == "delivered"
            if self.error is not None or self._file.closed:
                self.failed += delivered
                return
            try:
                self._append(line + b"\n")
                self.delivered += delivered
            except OSError as error:
                self.error = self._failure(error)
                self.missing += delivered
                self.failed += delivered
                log.warning("%s; no more lines are written", self.error)

    def write(self, frame: Frame) -> None:
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        with self._lock:
            try:
                self._file.close()
            except OSError as error:
                self.error = self.error or self._failure(error)
        self._claims.release(self._key)
        if self.error is not None and not self._raised:
            self._raised = True
            raise self.error

    def abort(self) -> None:
        """Nothing to abort: writing a line does not block."""

    def _append(self, line: bytes) -> None:
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            with suppress(OSError):  # not a regular file
                self._file.truncate(self._size)
            raise
        self._size += len(line)

    def _failure(self, error: OSError) -> SinkError:
        return SinkError(f"{self._path} cannot be written: {error.strerror}", key=self._key)
