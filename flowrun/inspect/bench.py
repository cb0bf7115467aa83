"""How fast a flow can go here, what holds it up, and the window that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowrun.ledger.ledger import Summary
from flowrun.spec.flow import Flow, Limits, SinkSpec

WINDOWS = (1, 2, 4, 8, 16)
WARM_UP = 10  # frames
ENOUGH = 0.95  # of the best rate: more in flight only makes frames older
SLOWED = 0.9  # of the rate without the sink: below that it is the sink that holds the flow up

Execute = Callable[[Flow], Summary]


@dataclass(frozen=True, slots=True)
class Trial:
    """One run with `window` requests in flight. `sink` says where its frames went, `None`: to
    nowhere."""

    window: int
    summary: Summary
    sink: str | None = None


def sweep(flow: Flow, frames: int, execute: Execute) -> Iterator[Trial]:
    """The flow over its first `frames` frames with each of `WINDOWS`, its sink replaced by `null`,
    after a short run that warms everything up.

    Nothing is dropped and nothing waits for a clock, so that the rate is that of the slowest part.
    Raises what `execute` raises.
    """
    execute(_variant(flow, WINDOWS[0], min(frames, WARM_UP)))
    for window in WINDOWS:
        yield Trial(window, execute(_variant(flow, window, frames)))


def with_sink(flow: Flow, frames: int, window: int, folder: Path, execute: Execute) -> Trial | None:
    """The flow with its own first sink, which writes into `folder`; `None` if that is no video
    file, for nobody shall see or hear of a measurement."""
    spec = next((spec for spec in flow.sinks if spec.kind == "video"), None)
    if spec is None:
        return None
    aside = replace(spec, uri=str(folder / Path(spec.uri).name))
    summary = execute(_variant(flow, window, frames, aside))
    return Trial(window, summary, spec.uri)


def best(trials: Sequence[Trial]) -> Trial:
    """The one with the smallest window that is as good as the fastest."""
    enough = ENOUGH * max(trial.summary.fps for trial in trials)
    return min((t for t in trials if t.summary.fps >= enough), key=lambda trial: trial.window)


def bottleneck(without: Trial, sunk: Trial | None = None) -> str:
    """What holds the flow up, in words: `without` is a run without its sink, `sunk` one with it."""
    summary = without.summary
    if sunk is not None and sunk.summary.fps < SLOWED * summary.fps:
        return (
            f"the sink {sunk.sink}: {sunk.summary.fps:.1f} frames per second with it,"
            f" {summary.fps:.1f} without"
        )
    stage = summary.bottleneck
    if stage in ("preprocess", "postprocess"):
        mine = [hook for hook in summary.hooks if hook["hook"].startswith(stage)]
        slowest = max(mine, key=lambda hook: hook["mean_ms"] or 0.0, default=None)
        if slowest is None:
            return f"{stage}: making what is sent takes {_median(summary, stage)} per frame"
        return f"{slowest['hook']} {slowest['name']}: {slowest['mean_ms']:.1f} ms per frame"
    if stage == "transport":
        return f"the server: {summary.fps:.1f} frames per second with {without.window} in flight"
    if stage == "source":
        return f"the source: a frame takes it {_median(summary, stage)}"
    return stage or "nothing: no frame came"


def _median(summary: Summary, stage: str) -> str:
    milliseconds = summary.latency_ms[stage]["p50"]
    return "-" if milliseconds is None else f"{milliseconds:.1f} ms"


def _variant(flow: Flow, window: int, frames: int, sink: SinkSpec | None = None) -> Flow:
    return replace(
        flow,
        source=replace(flow.source, pace="fast"),
        transport=replace(flow.transport, in_flight=window),
        sinks=(sink or SinkSpec("null"),),
        backpressure=replace(flow.backpressure, policy="every_frame", max_age=None),
        limits=Limits(frames, flow.limits.duration),
    )
