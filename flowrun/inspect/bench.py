"""Measure the frame rate of a flow, find its bottleneck and the window that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowrun.ledger.summary import Summary
from flowrun.spec.flow import Flow, Limits, SinkSpec

WINDOWS = (1, 2, 4, 8, 16)
WARM_UP = 10  # frames
ENOUGH = 0.95  # of the best rate: more requests in flight only add latency
SLOWED = 0.9  # of the rate without the sink: below that the sink is the bottleneck

Execute = Callable[[Flow], Summary]


@dataclass(frozen=True, slots=True)
class Trial:
    """One run with `window` requests in flight. `sink` is the URI of the flow's sink, `None` for
    the null sink."""

    window: int
    summary: Summary
    sink: str | None = None


def sweep(flow: Flow, frames: int, execute: Execute) -> Iterator[Trial]:
    """Run the first `frames` frames of the flow with each of `WINDOWS`, its sinks replaced by
    `null`, after a short warm-up run.

    Nothing is dropped and nothing waits for a clock, so that the rate is that of the slowest stage.
    Raises what `execute` raises.
    """
    execute(_variant(flow, WINDOWS[0], min(frames, WARM_UP)))
    for window in WINDOWS:
        yield Trial(window, execute(_variant(flow, window, frames)))


def with_sink(flow: Flow, frames: int, window: int, folder: Path, execute: Execute) -> Trial | None:
    """Run the flow with its first video file, written into `folder`; `None` if it has none: nothing
    that others can see is written."""
    spec = next((spec for spec in flow.sinks if spec.kind == "video"), None)
    if spec is None:
        return None
    temporary = replace(spec, uri=str(folder / Path(spec.uri).name))
    summary = execute(_variant(flow, window, frames, temporary))
    return Trial(window, summary, spec.uri)


def best(trials: Sequence[Trial]) -> Trial:
    """The trial with the smallest window that is about as fast as the fastest."""
    enough = ENOUGH * max(trial.summary.fps for trial in trials)
    return min((t for t in trials if t.summary.fps >= enough), key=lambda trial: trial.window)


def bottleneck(without: Trial, sink_trial: Trial | None = None) -> str:
    """Describe the bottleneck, from a run without the flow's sink and one with it."""
    summary = without.summary
    if sink_trial is not None and sink_trial.summary.fps < SLOWED * summary.fps:
        return (
            f"sink {sink_trial.sink}: {sink_trial.summary.fps:.1f} frames per second with it,"
            f" {summary.fps:.1f} without"
        )
    stage = summary.bottleneck
    if stage in ("preprocess", "postprocess"):
        mine = [hook for hook in summary.hooks if hook["hook"].startswith(stage)]
        slowest = max(mine, key=lambda hook: hook["mean_ms"] or 0.0, default=None)
        if slowest is not None:
            return f"{slowest['hook']} {slowest['name']}: {slowest['mean_ms']:.1f} ms per frame"
    if stage == "transport":
        return f"transport: {summary.fps:.1f} frames per second with {without.window} in flight"
    if stage in ("source", "preprocess", "postprocess"):
        return f"{stage}: {_median(summary, stage)} per frame"
    return stage or "none: no frame was captured"


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
