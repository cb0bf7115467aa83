"""Count exactly one fate for every captured frame."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowrun.errors import LedgerError, one_line
from flowrun.frame import Frame
from flowrun.ledger.fates import DropCause, FailCause, Fate, FateName, Stage, Undelivered
from flowrun.ledger.fps_meter import FpsMeter
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.latencies import Latencies


@dataclass(slots=True)
class _Entry:
    time: float
    captured: float
    took: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Counts:
    """The counters of a ledger at one moment.

    `fates` has `"delivered"`, `"aborted"`, `("dropped", cause)` and `("failed", cause)`; `first`
    the earliest frame of each cause. `seconds` is the time since the first frame was captured,
    until `close`; `period` the median time between captured frames on the source's time line, in
    seconds, `None` without two frames.
    """

    captured: int
    fates: Counter[Any]
    first: tuple[Undelivered, ...]
    seconds: float
    period: float | None


class Ledger:
    """Counters of fates, and `latencies`. Thread-safe; memory does not grow with the number of
    frames.

    `clock` is the monotonic clock of `Frame.captured`, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.latencies = Latencies()
        self.bytes = 0  # of the captured pictures
        self._lock = threading.Lock()
        self._open: dict[int, _Entry] = {}  # the frames inside the chain: captured, without a fate
        self._listeners: list[Callable[[Fate], None]] = []
        self._captured = 0
        self._fates: Counter[Any] = Counter()
        self._first: dict[DropCause | FailCause, Undelivered] = {}
        self._gaps = Histogram()  # between captured frames, on the source's time line
        self._time = 0.0  # of the last captured frame there
        self._start = 0.0  # of the first one there
        self._delivering = FpsMeter()
        self._began: float | None = None  # when the first frame was captured
        self._last = 0.0  # when the last frame was captured
        self._ended: float | None = None

    def captured(self, frame: Frame) -> None:
        """Count `frame` as captured: it needs a fate from now on."""
        with self._lock:
            if frame.index in self._open:
                raise LedgerError(f"frame {frame.index} was captured twice")
            self._open[frame.index] = _Entry(frame.time, frame.captured)
            self._captured += 1
            self.bytes += frame.width * frame.height * 3
            if self._began is None:
                self._began, self._start = frame.captured, frame.time
            else:
                self._gaps.add(frame.time - self._time)
            self._last, self._time = frame.captured, frame.time

    def on_fate(self, listener: Callable[[Fate], None]) -> None:
        """Call `listener` with every fate, on the thread that decides it; it must be quick and not
        raise. Call this before the first frame."""
        self._listeners.append(listener)

    def delivered(self, frame: Frame) -> None:
        """A sink accepted `frame`. One thread at a time."""
        now = self.clock()
        self.latencies.end_to_end.add(now - frame.captured)
        self._settle(frame, "delivered", at=now)

    def dropped(self, frame: Frame, cause: DropCause, reason: str | None = None) -> None:
        self._settle(frame, "dropped", cause, reason=reason)

    def superseded(self, frame: Frame) -> None:
        """A newer frame replaced `frame` in a queue."""
        self.dropped(frame, "superseded")

    def failed(self, frame: Frame, cause: FailCause, error: BaseException | None = None) -> None:
        self._settle(frame, "failed", cause, reason=one_line(error) if error else None)

    def retract(self, frames: int) -> None:
        """The sink lost so many delivered frames: they have failed. Before `close`; listeners are
        not called again."""
        with self._lock:
            self._fates["delivered"] -= frames
            self._fates["failed", "sink"] += frames

    def took(
        self, stage: Stage, seconds: float, frame: Frame | None = None, *, others: int = 0
    ) -> None:
        """Record the time of one frame in one stage; one thread at a time for each stage. `frame`
        is that frame, if it is captured already; `others` is how many frames shared the time."""
        self.latencies.stages[stage].add(seconds)
        if others:
            self.latencies.shared(stage, seconds, others)
        if frame is not None and self._listeners:
            with self._lock:
                entry = self._open.get(frame.index)
                if entry is not None:
                    entry.took[stage] = seconds

    def close(self) -> None:
        """End the run: every frame without a fate was aborted. Raises `LedgerError` if captured
        frames and fates do not add up. Idempotent."""
        with self._lock:
            left, self._open = self._open, {}
            self._fates["aborted"] += len(left)
            self._ended = self._ended if self._ended is not None else self.clock()
            if self._captured != (fates := sum(self._fates.values())):
                raise LedgerError(f"captured {self._captured} frames, but {fates} met a fate")
        for index, entry in left.items():
            self._notify(index, entry, "aborted", None, {})

    def counts(self) -> Counts:
        """The counters now."""
        with self._lock:
            end = self._ended if self._ended is not None else self.clock()
            return Counts(
                self._captured,
                Counter(self._fates),
                tuple(self._first.values()),
                0.0 if self._began is None else max(0.0, end - self._began),
                self._gaps.percentile(0.5),
            )

    @property
    def capturing(self) -> float:
        """Seconds from the first captured frame to the last one so far."""
        with self._lock:
            return 0.0 if self._began is None else self._last - self._began

    @property
    def position(self) -> float:
        """Seconds from the first captured frame to the last one so far, on the source's time
        line: the position in a recording."""
        with self._lock:
            return 0.0 if self._began is None else self._time - self._start

    @property
    def fps_now(self) -> float:
        """Frames delivered per second over the last few seconds."""
        with self._lock:
            return self._delivering.value(self.clock())

    def _settle(
        self,
        frame: Frame,
        fate: FateName,
        cause: DropCause | FailCause | None = None,
        at: float | None = None,
        reason: str | None = None,
    ) -> None:
        """`at` is when a frame was delivered, `reason` why it was not."""
        with self._lock:
            if self._ended is not None:
                return  # the ledger is closed, and has counted the frame as aborted
            entry = self._open.pop(frame.index, None)
            if entry is None:
                name = f"{fate}.{cause}" if cause else fate
                raise LedgerError(f"frame {frame.index} met a second fate: {name}")
            self._fates[(fate, cause) if cause else fate] += 1
            if cause and (cause not in self._first or frame.index < self._first[cause].index):
                self._first[cause] = Undelivered(frame.index, cause, reason)
            if at is not None:
                self._delivering.add(at)
        if self._listeners:
            self._notify(frame.index, entry, fate, cause, frame.data)

    def _notify(
        self,
        index: int,
        entry: _Entry,
        fate: FateName,
        cause: DropCause | FailCause | None,
        data: Mapping[str, Any],
    ) -> None:
        took: dict[str, float] = {"end_to_end": self.clock() - entry.captured, **entry.took}
        for listener in self._listeners:
            listener(Fate(index, entry.time, fate, cause, took, data))
