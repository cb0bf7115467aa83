"""Aggregate the lines of a `.jsonl` sink into columns of time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowrun.errors import UsageError
from flowrun.ledger.histogram import Histogram

MAX_COLUMNS = 120  # columns
_MIN_WIDTH = 0.5  # seconds


@dataclass(slots=True)
class Column:
    """The fates of the frames of one interval. `took` sums the milliseconds of the delivered ones
    in each stage, `end_to_end` has their latencies in seconds."""

    fates: Counter[str] = field(default_factory=Counter)
    took: Counter[str] = field(default_factory=Counter)
    end_to_end: Histogram = field(default_factory=Histogram)

    def add(self, other: Column) -> None:
        self.fates += other.fates
        self.took += other.took
        self.end_to_end.merge(other.end_to_end)


@dataclass(slots=True)
class Timeline:
    """At most `MAX_COLUMNS` columns of `width` seconds of the source's time, by number: column n
    begins at `n * width`. Columns without frames are omitted."""

    width: float = _MIN_WIDTH
    columns: dict[int, Column] = field(default_factory=dict)
    first: float = math.inf
    last: float = -math.inf

    def add(self, line: dict[str, Any]) -> None:
        """Count one frame."""
        time = float(line["time"])
        self.first, self.last = min(self.first, time), max(self.last, time)
        while self.last // self.width - self.first // self.width >= MAX_COLUMNS:
            self._widen()
        column = self.columns.setdefault(int(time // self.width), Column())
        fate, cause = line["fate"], line["cause"]
        column.fates[f"{fate}.{cause}" if cause else fate] += 1
        if fate == "delivered":
            took = dict(line["latency_ms"])
            column.end_to_end.add(took.pop("end_to_end") / 1000)
            column.took.update(took)

    def seconds(self, number: int, period: float) -> float:
        """The part of a column's width that its frames cover, each lasting `period` seconds."""
        start = number * self.width
        covered = min(start + self.width, self.last + period) - max(start, self.first)
        return covered if covered > 0 else self.width

    def _widen(self) -> None:
        self.width *= 2
        before, self.columns = self.columns, {}
        for number, column in before.items():
            self.columns.setdefault(number // 2, Column()).add(column)


def read_lines(path: str) -> Timeline:
    """Read the lines of the file; the last one may be incomplete. Memory does not grow with the
    file. Raises `UsageError` for lines that no `.jsonl` sink has written."""
    timeline = Timeline()
    try:
        with Path(path).open(encoding="utf-8") as file:
            _add(timeline, path, file)
    except OSError as error:
        raise UsageError(f"--lines {path}: {error.strerror}") from error
    if not timeline.columns:
        raise UsageError(f"--lines {path}: the file has no frames")
    return timeline


def _add(timeline: Timeline, path: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(lines, start=1):
        try:
            timeline.add(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if not line.endswith("\n"):
                return  # the run was killed while it wrote
            raise UsageError(
                f"--lines {path}: line {number} was not written by a `.jsonl` sink"
            ) from error
