"""The trials of a benchmark, the window and the bottleneck found from them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowrun.inspect.bench import WARM_UP, WINDOWS, Trial, best, bottleneck, sweep, with_sink
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import Summary, summarize
from flowrun.spec.flow import (
    BackpressureSpec,
    Flow,
    HookSpec,
    Limits,
    SinkSpec,
    SourceSpec,
    TransportSpec,
)

FLOW = Flow(
    "flow",
    SourceSpec("input.mp4", size=(64, 48)),
    TransportSpec("stream", ("server:1",), "model", in_flight=3, timeout=2.0),
    (SinkSpec("rtsp://h/p"), SinkSpec("folder/out.mkv", codec="mpeg4")),
    preprocess=(HookSpec("a:b"),),
    backpressure=BackpressureSpec("latest", buffer=7),
    limits=Limits(duration=5.0),
)


def summary(fps: float, **keys: Any) -> Summary:
    return replace(summarize(Ledger(), "flow"), fps=fps, **keys)


def test_each_window_is_tried_without_the_sinks_after_a_warm_up_run() -> None:
    ran: list[Flow] = []

    def execute(flow: Flow) -> Summary:
        ran.append(flow)
        return summary(1.0)

    trials = list(sweep(FLOW, 50, execute))
    assert [trial.window for trial in trials] == list(WINDOWS)
    assert [flow.transport.in_flight for flow in ran] == [WINDOWS[0], *WINDOWS]
    assert [flow.limits for flow in ran] == [
        *(Limits(WARM_UP, 5.0), *[Limits(50, 5.0)] * len(WINDOWS)),
    ]
    assert ran[-1] == replace(
        FLOW,
        source=replace(FLOW.source, pace="fast"),
        transport=replace(FLOW.transport, in_flight=WINDOWS[-1]),
        sinks=(SinkSpec("null"),),
        backpressure=BackpressureSpec("every_frame", buffer=7),
        limits=Limits(50, 5.0),
    )


def test_the_flows_video_file_is_written_elsewhere_and_nothing_else_is_written() -> None:
    ran: list[Flow] = []

    def execute(flow: Flow) -> Summary:
        ran.append(flow)
        return summary(1.0)

    aside = Path("aside")
    trial = with_sink(FLOW, 50, 4, aside, execute)
    assert trial == Trial(4, summary(1.0), "folder/out.mkv")
    assert [flow.sinks for flow in ran] == [
        (SinkSpec(str(aside / "out.mkv"), codec="mpeg4"),),
    ]
    live = replace(FLOW, sinks=(SinkSpec("rtsp://h/p"), SinkSpec("screen"), SinkSpec("all.jsonl")))
    assert with_sink(live, 50, 4, aside, execute) is None
    assert len(ran) == 1


@pytest.mark.parametrize(
    ("rates", "window"),
    [
        ([10, 20, 39, 40, 41], 4),  # 39 is 95 % of 41
        ([10, 20, 38, 40, 41], 8),
        ([41, 40, 39, 38, 37], 1),
        ([0, 0, 0, 0, 0], 1),
    ],
)
def test_the_best_window_is_the_smallest_that_is_nearly_as_fast_as_the_fastest(
    rates: list[float], window: int
) -> None:
    trials = [Trial(n, summary(fps)) for n, fps in zip(WINDOWS, rates, strict=True)]
    assert best(trials).window == window


HOOKS = [
    {"hook": "preprocess[0]", "name": "my:blur", "mean_ms": 4.0},
    {"hook": "preprocess[1]", "name": "my:warp", "mean_ms": 21.04},
    {"hook": "postprocess[0]", "name": "my:draw", "mean_ms": 30.0},
]
TOOK = {stage: {"p50": 12.34} for stage in ("source", "preprocess")}


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("source", "source: 12.3 ms per frame"),
        ("transport", "transport: 50.0 frames per second with 8 in flight"),
        ("preprocess", "preprocess[1] my:warp: 21.0 ms per frame"),
        ("postprocess", "postprocess[0] my:draw: 30.0 ms per frame"),
        (None, "none: no frame was captured"),
    ],
)
def test_the_bottleneck_is_described(stage: str | None, text: str) -> None:
    run = summary(50.0, bottleneck=stage, hooks=HOOKS, latency_ms=TOOK)
    assert bottleneck(Trial(8, run)) == text


def test_preprocessing_without_a_hook_may_be_the_bottleneck() -> None:
    run = summary(50.0, bottleneck="preprocess", latency_ms=TOOK)
    text = "preprocess: 12.3 ms per frame"
    assert bottleneck(Trial(8, run)) == text


def test_a_sink_that_costs_a_tenth_of_the_rate_is_the_bottleneck() -> None:
    without = Trial(8, summary(50.0, bottleneck="transport"))
    text = "sink out.mp4: 44.9 frames per second with it, 50.0 without"
    assert bottleneck(without, Trial(8, summary(44.9), "out.mp4")) == text
    assert bottleneck(without, Trial(8, summary(45.1), "out.mp4")) == bottleneck(without)
