"""Watch what a flow expects: over its whole run, and over the last minute while it runs."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from flowrun.ledger.expectations import (
    Finding,
    Number,
    attached_number,
    judge,
    values_of,
)
from flowrun.ledger.fates import Fate
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.ledger import Ledger
from flowrun.operators.scheduler import WaitableScheduler
from flowrun.spec.expectations import ATTACHED, LATENCIES
from flowrun.spec.flow import ExpectSpec

SAMPLES = 60  # in a window
_FATES = ("delivered", "dropped", "failed", "aborted")

Totals = Callable[[], Mapping[str, Any]]  # the counters of a summary so far


class _Sample(NamedTuple):
    at: float
    values: dict[str, Any]
    histograms: dict[str, Histogram]


class Watch:
    """The expectations of a flow, judged by samples of what the run has counted so far.

    `sample` is called `SAMPLES` times per window, by a thread of its own in a run: a frame costs
    nothing, except where a value that hooks attach is expected. Memory: `SAMPLES` + 1 times the
    counters, and one histogram for each stage whose latency is expected. Thread-safe.
    """

    def __init__(self, spec: ExpectSpec, ledger: Ledger, totals: Totals) -> None:
        self.checks = spec.checks
        self._window_s = spec.window
        self._ledger = ledger
        self._totals = totals
        timed = (each.key for each in spec.checks if each.key in LATENCIES)
        self._stages = tuple(dict.fromkeys(key.split(".")[1] for key in timed))
        self._names = [each.attached for each in spec.checks if each.attached is not None]
        self._lock = threading.Lock()
        self._samples: deque[_Sample] = deque()  # the first is a window old, or the start
        self._attached: dict[str, Number] = {}  # the largest values of the run
        self._newest: dict[str, Number] = {}  # and since the last sample
        self._recent: deque[tuple[float, dict[str, Number]]] = deque()  # and those before, by time
        if self._names:
            ledger.on_fate(self._note)

    @property
    def every(self) -> float:
        """Seconds between two samples."""
        return self._window_s / SAMPLES

    def sample(self) -> None:
        """Remember the counters as they are now, and forget those before the window."""
        now = self._take()
        with self._lock:
            self._samples.append(now)
            while len(self._samples) > 1 and self._samples[1].at <= now.at - self._window_s:
                self._samples.popleft()
            if self._names:
                self._recent.append((now.at, self._newest))
                self._newest = {}
                while self._recent[0][0] <= now.at - self._window_s:
                    self._recent.popleft()

    def whole(self, summary: Mapping[str, Any]) -> list[Finding]:
        """All expectations, judged by the summary of a run that has ended."""
        with self._lock:
            values = values_of(summary, self._attached)
        return [judge(each, values, summary["captured"]) for each in self.checks]

    def recent(self) -> list[Finding]:
        """All expectations, judged by the last minute (`window`) as far as it can judge them."""
        if not self.checks:
            return []
        values, frames = self._window()
        found = []
        for each in self.checks:
            finding = judge(each, values, frames)
            judged = each.windowed and finding.value is not None
            holds = finding.holds if judged else None
            found.append(Finding(each.key, each.expected, finding.found, finding.value, holds))
        return found

    def _note(self, fate: Fate) -> None:
        for name in self._names:
            number = attached_number(fate.data, name)
            if number is not None:
                with self._lock:
                    for largest in (self._attached, self._newest):
                        largest[name] = max(number, largest.get(name, number))

    def _take(self) -> _Sample:
        histograms = {stage: self._histogram(stage).copy() for stage in self._stages}
        return _Sample(self._ledger.clock(), values_of(self._totals(), {}), histograms)

    def _histogram(self, stage: str) -> Histogram:
        latencies = self._ledger.latencies
        return latencies.end_to_end if stage == "end_to_end" else latencies.stages[stage]

    def _window(self) -> tuple[dict[str, Any], Number]:
        """The values of the window, and the number of frames that met their fate in it. Frames in
        flight are not judged."""
        now = self._take()
        with self._lock:
            if not self._samples:
                return {}, 0
            # The newest sample that is a window old: a reader may be later than the sampling.
            past = [each for each in self._samples if each.at <= now.at - self._window_s]
            then = past[-1] if past else self._samples[0]
            attached: dict[str, Number] = {}
            slots = [slot for at, slot in self._recent if at > now.at - self._window_s]
            for slot in (*slots, self._newest):
                for name, number in slot.items():
                    attached[name] = max(number, attached.get(name, number))
        values: dict[str, Any] = {
            key: value - then.values[key] for key, value in now.values.items()
        }
        values |= {f"{ATTACHED}{name}": number for name, number in attached.items()}
        for stage in self._stages:
            since = now.histograms[stage].since(then.histograms[stage])
            points = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
            for point, share in points.items():
                values[f"latency.{stage}.{point}"] = since.percentile(share)
        seconds = now.at - then.at
        values["fps"] = values["delivered"] / seconds if seconds >= self.every else None
        return values, sum(values[fate] for fate in _FATES)


def sample_regularly(watch: Watch, thread: Callable[[], WaitableScheduler]) -> None:
    """Take the first sample now, and the others on a thread, until that is stopped; without
    expectations there is none."""
    if not watch.checks:
        return
    scheduler = thread()

    def step(_: object = None, __: object = None) -> None:
        watch.sample()
        scheduler.schedule_relative(watch.every, step)

    step()
