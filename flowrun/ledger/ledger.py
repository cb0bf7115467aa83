"""Every captured frame meets exactly one fate; how long each stage took; the summary."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from flowrun.errors import LedgerError
from flowrun.frame import Frame
from flowrun.ledger.bottleneck import WORKING, in_words, per_frame, slowest
from flowrun.ledger.fps_meter import FpsMeter
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.hook_times import HookTime, complaints, shares

DropCause = Literal["superseded", "stale", "hook", "no_response"]
FailCause = Literal["preprocess", "transport", "timeout", "postprocess", "sink"]
Stage = Literal["source", "buffer", "preprocess", "transport", "order", "postprocess", "sink"]

FateName = Literal["delivered", "dropped", "failed", "aborted"]

DROP_CAUSES: tuple[DropCause, ...] = ("superseded", "stale", "hook", "no_response")
FAIL_CAUSES: tuple[FailCause, ...] = ("preprocess", "transport", "timeout", "postprocess", "sink")
STAGES: tuple[Stage, ...] = (
    "source",  # the source made the frame
    "buffer",  # the frame waited for preprocessing
    "preprocess",
    "transport",  # from the request to the answer, the wait for a free slot not included
    "order",  # the answer waited for its turn, and for the sink to be free
    "postprocess",
    "sink",
)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a frame. `took` holds seconds: the stages that it passed, and `end_to_end`,
    the time since it was captured. `data` is what hooks attached."""

    index: int
    time: float
    fate: FateName
    cause: DropCause | FailCause | None
    took: Mapping[str, float]
    data: Mapping[str, Any]


@dataclass(slots=True)
class _Entry:
    time: float
    captured: float
    took: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did. `to_json()` has the keys of `--summary`, always all of them.

    `generation` counts the streams to the model: with each one a stateful graph has forgotten.
    `duration_s` is wall-clock time from the first captured frame to the end; `fps` delivered
    frames per second of it. `latency_ms` holds p50, p95, p99 and max in milliseconds, `None`
    where nothing was measured. `busy_ms` is what a frame costs each stage that works,
    on average, and `bottleneck` the one that it costs most (see `flowrun.ledger.bottleneck`),
    `None` if nothing was measured. `period_ms` is what a frame has: the median time from one
    captured frame to the next on the source's own time line, so that a recording that is read as
    fast as it goes is judged like the camera it came from; `None` without two frames. `hooks` says
    for each what it takes of that (see `hook_times.shares`). `window` is the number of requests
    that may be at the server at once, as found where the flow says `in_flight: auto`. `sinks` has
    the counts of each sink.
    """

    flow: str
    captured: int
    delivered: int
    dropped: dict[str, int]
    failed: dict[str, int]
    aborted: int
    repeated: int
    reconnects: dict[str, int]
    generation: int
    duration_s: float
    fps: float
    latency_ms: dict[str, dict[str, float | None]]
    bottleneck: str | None
    busy_ms: dict[str, float | None]
    period_ms: float | None
    hooks: list[dict[str, Any]]
    window: int
    sinks: list[dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    def __str__(self) -> str:
        def causes(counts: dict[str, int]) -> str:
            named = ", ".join(f"{cause} {n}" for cause, n in counts.items() if n)
            return f"{sum(counts.values())}" + (f" ({named})" if named else "")

        def milliseconds(name: str) -> str:
            at = self.latency_ms[name]
            return " · ".join(
                f"{point} {'-' if value is None else f'{value:.1f}'}" for point, value in at.items()
            )

        return "\n".join(
            [
                f"{self.flow}: captured {self.captured} = delivered {self.delivered}"
                f" + dropped {causes(self.dropped)} + failed {causes(self.failed)}"
                f" + aborted {self.aborted}",
                f"  {self.duration_s:.1f} s, {self.fps:.1f} fps"
                f", latency ms: {milliseconds('end_to_end')}",
                f"  bottleneck: {self._bottleneck()}"
                + "".join(f", {name} reconnects: {n}" for name, n in self.reconnects.items() if n)
                + (f", frames repeated: {self.repeated}" if self.repeated else ""),
                *complaints(self.hooks, self.period_ms),
            ]
        )

    def _bottleneck(self) -> str:
        return in_words(self.bottleneck, self.busy_ms, self.period_ms, self.captured, self.dropped)


class Ledger:
    """Counts fates and times. Thread-safe; memory does not grow with the number of frames.

    `clock` is the monotonic clock of `Frame.captured`, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._open: dict[int, _Entry] = {}  # captured, no fate yet: what is inside the chain
        self._listeners: list[Callable[[Fate], None]] = []
        self._captured = 0
        self._fates: Counter[Any] = Counter()
        self.latency: Mapping[str, Histogram] = {
            name: Histogram() for name in ("end_to_end", *STAGES)
        }
        # Seconds that a stage spent on several frames at once, counted for more than one of them.
        self._shared: dict[str, float] = dict.fromkeys(STAGES, 0.0)
        self.hooks: list[HookTime] = []
        self.bytes = 0  # of the pictures that were captured
        self._gaps = Histogram()  # between captured frames, on the source's time line
        self._time = 0.0  # of the last captured frame there, once there is one
        self._start = 0.0  # of the first one there
        self._delivering = FpsMeter()
        self._began: float | None = None
        self._last = 0.0  # when the last frame was captured, once there is one
        self._ended: float | None = None

    def captured(self, frame: Frame) -> None:
        """The source gave `frame`; from now on it is owed a fate."""
        with self._lock:
            if frame.index in self._open:
                raise LedgerError(f"frame {frame.index} was captured twice")
            self._open[frame.index] = _Entry(frame.time, frame.captured)
            self._captured += 1
            self.bytes += frame.image.nbytes
            if self._began is None:
                self._began, self._start = frame.captured, frame.time
            else:
                self._gaps.add(frame.time - self._time)
            self._last, self._time = frame.captured, frame.time

    def on_fate(self, listener: Callable[[Fate], None]) -> None:
        """Call `listener` for every fate from now on, on the thread that decides it; it must be
        quick and not raise. To be said before the first frame."""
        self._listeners.append(listener)

    def delivered(self, frame: Frame) -> None:
        """A sink accepted `frame`. One thread at a time."""
        now = self.clock()
        self.latency["end_to_end"].add(now - frame.captured)
        self._settle(frame, "delivered", at=now)

    def dropped(self, frame: Frame, cause: DropCause) -> None:
        self._settle(frame, "dropped", cause)

    def superseded(self, frame: Frame) -> None:
        """A newer frame took its place while it waited."""
        self.dropped(frame, "superseded")

    def failed(self, frame: Frame, cause: FailCause) -> None:
        self._settle(frame, "failed", cause)

    def took(
        self, stage: Stage, seconds: float, frame: Frame | None = None, *, beside: int = 0
    ) -> None:
        """Note what one frame cost one stage, which only one thread notes at a time; `frame`, if it
        is captured already, tells which. It shared the time with as many others as are `beside`
        it."""
        self.latency[stage].add(seconds)
        if beside:
            self._shared[stage] += seconds * beside / (1 + beside)
        if frame is not None and self._listeners:
            with self._lock:
                entry = self._open.get(frame.index)
                if entry is not None:
                    entry.took[stage] = seconds

    def hook(self, key: str, name: str) -> Histogram:
        """Where one thread notes what the hook at `key` of the flow, called `name`, took for each
        frame, in seconds. To be asked before the first frame, in the order of the flow."""
        self.hooks.append(HookTime(key, name))
        return self.hooks[-1].took

    def close(self) -> None:
        """The run is over: what has no fate yet was aborted. Raises `LedgerError` if the sum is
        off. Idempotent."""
        with self._lock:
            left, self._open = self._open, {}
            self._fates["aborted"] += len(left)
            self._ended = self._ended if self._ended is not None else self.clock()
            if self._captured != (fates := sum(self._fates.values())):
                raise LedgerError(f"captured {self._captured} frames, but {fates} met a fate")
        for index, entry in left.items():
            self._tell(index, entry, "aborted", None, {})

    @property
    def counts(self) -> tuple[int, int]:
        """Captured and delivered so far."""
        with self._lock:
            return self._captured, self._fates["delivered"]

    @property
    def capturing(self) -> float:
        """Seconds from the first captured frame to the last one so far."""
        with self._lock:
            return 0.0 if self._began is None else self._last - self._began

    @property
    def position(self) -> float:
        """Seconds from the first captured frame to the last one so far, on the source's time
        line: how far a recording is."""
        with self._lock:
            return 0.0 if self._began is None else self._time - self._start

    @property
    def fps_now(self) -> float:
        """Frames delivered per second over the last few seconds."""
        with self._lock:
            return self._delivering.value(self.clock())

    def mean(self, stage: Stage) -> float | None:
        """What a frame cost `stage` on average, in seconds; `None` if nothing was measured."""
        histogram = self.latency[stage]
        return histogram.total / histogram.count if histogram.count else None

    def summary(
        self,
        flow: str,
        *,
        window: int = 1,
        reconnects: Mapping[str, int] = MappingProxyType({}),
        repeated: int = 0,
        generation: int = 1,
        sinks: Sequence[Mapping[str, Any]] = (),
    ) -> Summary:
        """The state of the books, with what others have counted."""
        with self._lock:
            fates = Counter(self._fates)
            captured = self._captured
            end = self._ended if self._ended is not None else self.clock()
            seconds = 0.0 if self._began is None else max(0.0, end - self._began)
            period = self._gaps.percentile(0.5)
        late = fates["dropped", "superseded"] + fates["dropped", "stale"]
        busy = {stage: self._busy_ms(stage, captured - late) for stage in WORKING}
        return Summary(
            flow=flow,
            captured=captured,
            delivered=fates["delivered"],
            dropped={cause: fates["dropped", cause] for cause in DROP_CAUSES},
            failed={cause: fates["failed", cause] for cause in FAIL_CAUSES},
            aborted=fates["aborted"],
            repeated=repeated,
            reconnects={name: reconnects.get(name, 0) for name in ("source", "transport", "sink")},
            duration_s=round(seconds, 3),
            fps=round(fates["delivered"] / seconds, 2) if seconds else 0.0,
            latency_ms={name: _in_ms(histogram) for name, histogram in self.latency.items()},
            bottleneck=slowest(busy, late),
            busy_ms=busy,
            period_ms=None if period is None else round(period * 1000, 3),
            hooks=shares(self.hooks, period),
            generation=generation,
            window=window,
            sinks=[dict(each) for each in sinks],
        )

    def _busy_ms(self, stage: str, taken: int) -> float | None:
        histogram = self.latency[stage]
        return per_frame(histogram.total - self._shared[stage], histogram.count, taken)

    def _settle(
        self,
        frame: Frame,
        fate: FateName,
        cause: DropCause | FailCause | None = None,
        at: float | None = None,
    ) -> None:
        """`at` is when a frame was delivered."""
        with self._lock:
            if self._ended is not None:
                return  # the books are closed: whoever was still at work was aborted
            entry = self._open.pop(frame.index, None)
            if entry is None:
                name = f"{fate}.{cause}" if cause else fate
                raise LedgerError(f"frame {frame.index} met a second fate: {name}")
            self._fates[(fate, cause) if cause else fate] += 1
            if at is not None:
                self._delivering.add(at)
        if self._listeners:
            self._tell(frame.index, entry, fate, cause, frame.data)

    def _tell(
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


def _in_ms(histogram: Histogram) -> dict[str, float | None]:
    points = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: histogram.percentile(share) for name, share in points.items()}
    found["max"] = histogram.maximum
    return {name: None if s is None else round(s * 1000, 3) for name, s in found.items()}
