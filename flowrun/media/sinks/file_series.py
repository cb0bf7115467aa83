"""Name the files of a recording that goes on for days."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.file_pattern import FilePattern
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.recording import Target
from flowrun.system.rename import rename_aside, rename_new

log = logging.getLogger("flowrun")

_ATTEMPTS = 10  # to find a name while other programs create and remove files


class FileSeries:
    """Files named by `pattern` and the local time at which each begins. Times of frames are counted
    from the first one of the file.

    For a live source that time is the wall clock's when the first frame was captured; for any
    other, that of the first frame of all plus the recording's own time. A name that is taken, also
    by a file that a killed run has left, gets the next number: nothing is ever replaced.
    `__init__` raises `SinkError` if the pattern is claimed (see `Claims`).
    """

    def __init__(
        self,
        pattern: FilePattern,
        context: SinkContext,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pattern = pattern
        self._key, self._live = context.key, context.info.live
        self._wall, self._monotonic = wall, monotonic
        self._began: float | None = None  # the wall clock at the time 0 of the recording
        context.claims.take_pattern(pattern, context.key)
        self._log_unfinished()

    def next(self, frame: Frame) -> Target:
        """Reserve the next name, with its folders. Raises `SinkError`."""
        at = self._local_time(frame)
        try:
            path, part = self._reserve(at)
        except OSError as error:
            raise SinkError(
                f"{self._pattern.name(at)} cannot be written: {error.strerror}", key=self._key
            ) from error
        return Target(path, part, partial(self._publish, part, path, at), frame.time)

    def close(self) -> None:
        """Nothing to report: names that were taken are no error."""

    def _local_time(self, frame: Frame) -> datetime:
        captured = self._wall() - (self._monotonic() - frame.captured)
        if self._began is None:
            self._began = captured - frame.time
        seconds = captured if self._live else self._began + frame.time
        return datetime.fromtimestamp(seconds, timezone.utc).astimezone()

    def _reserve(self, at: datetime) -> tuple[Path, Path]:
        for attempt in range(1, _ATTEMPTS + 1):
            path = self._pattern.name(at, self._pattern.next_number(at))
            part = Target.part_of(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            except (FileExistsError, FileNotFoundError):  # created, or its folder removed meanwhile
                if attempt == _ATTEMPTS:
                    raise
            else:
                break
        return path, part

    def _publish(self, part: Path, path: Path, at: datetime) -> None:
        try:
            rename_new(part, path)
        except FileExistsError:
            kept = rename_aside(part, self._pattern.name(at))
            log.warning(
                "%s: %s was created by another program; the recording is kept as %s",
                *(self._key, path, kept),
            )
        except OSError as error:
            raise SinkError(
                f"{part} cannot be renamed to {path}: {error.strerror}", key=self._key
            ) from error

    def _log_unfinished(self) -> None:
        left = sorted(entry.path for entry in self._pattern.unfinished())
        if left:
            log.warning(
                "%s: earlier runs did not finish %s, which %s",
                self._key,
                left[0] if len(left) == 1 else f"{len(left)} recordings such as {left[-1]}",
                "keeps this name" if len(left) == 1 else "keep their names",
            )
