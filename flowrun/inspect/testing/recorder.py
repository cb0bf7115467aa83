"""Record the pictures and lines of a run that are compared with golden files."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flowrun.chain.status import Status
from flowrun.errors import RunError
from flowrun.frame import Frame, VideoInfo
from flowrun.image.png import write_png
from flowrun.media.lines.json_value import to_json_value
from flowrun.media.protocols import Fate

LINES = "lines.jsonl"


class GoldenRecorder:
    """An observer that writes what is compared to `folder`, which exists: a PNG for each
    `every`-th frame, as it goes to the sinks, and, with `save`, a line per frame.

    The lines have what does not depend on the time of day and the machine: index, time, fate,
    cause, and what hooks attached.
    """

    def __init__(self, status: Status, *, folder: Path, every: int) -> None:
        self._folder = folder
        self._every = every
        self._color = status.flow.source.color
        self._lock = threading.Lock()
        self._lines: dict[int, dict[str, Any]] = {}
        status.ledger.on_fate(self._note)

    def opened(self, info: VideoInfo) -> None:
        """Nothing depends on the source."""

    def show(self, frame: Frame) -> None:
        if self._every == 0 or frame.index % self._every:
            return
        path = self._folder / f"{frame.index:06d}.png"
        with _errors_of(path):
            write_png(path, frame.image, self._color)

    def close(self) -> None:
        """The last frames may get their fates after this."""

    def save(self) -> None:
        """Write the lines, in the order of the frames. Call this after the run. Raises
        `RunError`."""
        with self._lock:
            ordered = [self._lines[index] for index in sorted(self._lines)]
        text = "".join(f"{json.dumps(line, sort_keys=True)}\n" for line in ordered)
        path = self._folder / LINES
        with _errors_of(path):
            path.write_text(text, encoding="utf-8")

    def _note(self, fate: Fate) -> None:
        line = {
            "index": fate.index,
            "time": round(fate.time, 6),
            "fate": fate.fate,
            "cause": fate.cause,
            "data": to_json_value(fate.data),
        }
        with self._lock:
            self._lines[fate.index] = line


@contextlib.contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}", key="golden") from error
