"""The summary of a run: its counts, its latencies and its bottleneck."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from flowrun import __version__
from flowrun.foreign import one_line
from flowrun.ledger.bottleneck import WORKING, describe, per_frame, slowest
from flowrun.ledger.expectations import table
from flowrun.ledger.fates import DROP_CAUSES, FAIL_CAUSES
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.hook_times import shares, slow_hook_lines
from flowrun.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did. `to_json()` has the keys of `--summary`, always all of them.

    `run` is the number of the run, which the lines of its sinks carry, too. `started` and `ended`
    are local times (ISO 8601, with the zone), `ended` is `None` while the run
    lasts; `host` is the name of the machine, `version` that of flowrun. `exit_code` is that of the
    command, `None` while the run lasts: 3 if it lost frames although its policy is `every_frame`,
    or broke an expectation. `error` is one line about what ended the run, or about those frames and
    expectations, otherwise `None`.
    `unavailable_s` is for how many seconds source, model server and sinks were unavailable, before
    the first frame, too; of several sinks it is the sum.
    `generation` counts the streams to the model; a stateful graph starts anew with each.
    `duration_s` is wall-clock time from the first captured frame to the end; `fps` delivered
    frames per second of it. `latency_ms` holds p50, p95, p99 and max in milliseconds, `None`
    where nothing was measured. `busy_ms` is the mean time that each working stage spends on a
    frame, and `bottleneck` the stage with the highest one (see `flowrun.ledger.bottleneck`),
    `None` if nothing was measured. `period_ms` is the time available for a frame: the median time
    from one captured frame to the next on the source's own time line, so that a recording that is
    read as fast as possible is judged like the camera it came from; `None` without two frames.
    `hooks` gives the share of it that each hook takes (see `hook_times.shares`). `window` is the
    number of requests allowed in flight, as found where the flow has `in_flight: auto`. `sinks` has
    the counts of each sink, with its key in the flow (`sink`) and its `uri`. `cpu_s` is the CPU
    time of the run with that of its ffmpeg processes, `memory_bytes` the largest resident set of
    this process (`None` while the run lasts, or where it is unknown), and `picture` width and
    height of the source's pictures, `None` before it is open.
    `expect` has each expectation of the flow (`key`, `expected`), what was found (text; `value` is
    a number) and whether it `holds`: `None` while the run lasts and its last minute cannot judge
    it.
    """

    flow: str
    run: str
    started: str | None
    ended: str | None
    host: str
    version: str
    exit_code: int | None
    error: str | None
    captured: int
    delivered: int
    dropped: dict[str, int]
    failed: dict[str, int]
    aborted: int
    repeated: int
    reconnects: dict[str, int]
    unavailable_s: dict[str, float]
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
    cpu_s: float | None
    memory_bytes: int | None
    picture: list[int] | None
    expect: list[dict[str, Any]]

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
                f"{one_line(self.flow)}: captured {self.captured} = delivered {self.delivered}"
                f" + dropped {causes(self.dropped)} + failed {causes(self.failed)}"
                f" + aborted {self.aborted}",
                f"  {self.duration_s:.1f} s, {self.fps:.1f} fps"
                f", latency ms: {milliseconds('end_to_end')}",
                f"  bottleneck: {self._bottleneck()}"
                + "".join(f", {name} reconnects: {n}" for name, n in self.reconnects.items() if n)
                + "".join(
                    f", {name} unavailable for {seconds:.1f} s"
                    for name, seconds in self.unavailable_s.items()
                    if seconds
                )
                + (f", frames repeated: {self.repeated}" if self.repeated else ""),
                *slow_hook_lines(self.hooks, self.period_ms),
                *table(self.expect),
            ]
        )

    def _bottleneck(self) -> str:
        return describe(self.bottleneck, self.busy_ms, self.period_ms, self.captured, self.dropped)


_PARTS = ("source", "transport", "sink")


def summarize(
    ledger: Ledger,
    flow: str,
    run: str = "",
    *,
    window: int = 1,
    reconnects: Mapping[str, int] = MappingProxyType({}),
    unavailable_s: Mapping[str, float] = MappingProxyType({}),
    repeated: int = 0,
    generation: int = 1,
    sinks: Sequence[Mapping[str, Any]] = (),
    started: datetime | None = None,
    ended: datetime | None = None,
    exit_code: int | None = None,
    error: str | None = None,
    cpu_s: float | None = None,
    memory_bytes: int | None = None,
    picture: list[int] | None = None,
) -> Summary:
    """The summary so far of the run `run` of `flow`: the counters of `ledger`, and what the other
    parts have counted; `started` and `ended` with their time zone. From any thread."""
    counts, latencies = ledger.counts(), ledger.latencies
    fates, seconds, period = counts.fates, counts.seconds, counts.period
    late = fates["dropped", "superseded"] + fates["dropped", "stale"]
    taken = counts.captured - late
    busy = {
        stage: per_frame(latencies.busy(stage), latencies.stages[stage].count, taken)
        for stage in WORKING
    }
    elsewhere = any(seconds for part, seconds in unavailable_s.items() if part != "source")
    histograms = {"end_to_end": latencies.end_to_end, **latencies.stages}
    return Summary(
        flow=flow,
        run=run,
        started=_iso(started),
        ended=_iso(ended),
        host=platform.node(),
        version=__version__,
        exit_code=exit_code,
        error=error,
        captured=counts.captured,
        delivered=fates["delivered"],
        dropped={cause: fates["dropped", cause] for cause in DROP_CAUSES},
        failed={cause: fates["failed", cause] for cause in FAIL_CAUSES},
        aborted=fates["aborted"],
        repeated=repeated,
        reconnects={part: reconnects.get(part, 0) for part in _PARTS},
        unavailable_s={part: round(unavailable_s.get(part, 0.0), 3) for part in _PARTS},
        duration_s=round(seconds, 3),
        fps=round(fates["delivered"] / seconds, 2) if seconds else 0.0,
        latency_ms={name: _in_ms(histogram) for name, histogram in histograms.items()},
        bottleneck=slowest(busy, not_source=bool(late or elsewhere)),
        busy_ms=busy,
        period_ms=None if period is None else round(period * 1000, 3),
        hooks=shares(latencies.hooks, period),
        generation=generation,
        window=window,
        sinks=[dict(each) for each in sinks],
        cpu_s=None if cpu_s is None else round(cpu_s, 3),
        memory_bytes=memory_bytes,
        picture=picture,
        expect=[],
    )


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")


def _in_ms(histogram: Histogram) -> dict[str, float | None]:
    points = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: histogram.percentile(share) for name, share in points.items()}
    found["max"] = histogram.maximum
    return {name: None if s is None else round(s * 1000, 3) for name, s in found.items()}
