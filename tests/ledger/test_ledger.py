"""One fate per frame, and a summary that adds up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import LedgerError
from flowrun.frame import Frame
from flowrun.ledger.fates import DROP_CAUSES, FAIL_CAUSES, STAGES, Fate
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.summary import summarize

FATES = [
    ("delivered", None),
    *(("dropped", cause) for cause in DROP_CAUSES),
    *(("failed", cause) for cause in FAIL_CAUSES),
    ("aborted", None),
]


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def frame(index: int) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), index, index / 30, 1 / 30, 100.0)


def settle(ledger: Ledger, frame: Frame, fate: str, cause: Any) -> None:
    actions: dict[str, Callable[[], None]] = {
        "delivered": lambda: ledger.delivered(frame),
        "dropped": lambda: ledger.dropped(frame, cause),
        "failed": lambda: ledger.failed(frame, cause),
        "aborted": lambda: None,
    }
    actions[fate]()


@given(st.lists(st.sampled_from(FATES), max_size=60), st.randoms())
def test_captured_is_the_sum_of_all_fates(fates: list[Any], order: Any) -> None:
    ledger = Ledger(Clock())
    for index in range(len(fates)):
        ledger.captured(frame(index))
    shuffled = list(enumerate(fates))
    order.shuffle(shuffled)
    for index, (fate, cause) in shuffled:
        settle(ledger, frame(index), fate, cause)
    ledger.close()
    summary = summarize(ledger, "f").to_json()
    counts: list[int] = [summary["delivered"], summary["aborted"]]
    counts += [*summary["dropped"].values(), *summary["failed"].values()]
    assert sum(counts) == summary["captured"] == len(fates)
    assert summary["aborted"] == fates.count(("aborted", None))
    for cause in DROP_CAUSES:
        assert summary["dropped"][cause] == fates.count(("dropped", cause))


def test_a_second_fate_is_a_bug() -> None:
    ledger = Ledger(Clock())
    ledger.captured(frame(0))
    ledger.delivered(frame(0))
    with pytest.raises(LedgerError, match=r"frame 0 met a second fate: failed\.sink"):
        ledger.failed(frame(0), "sink")
    with pytest.raises(LedgerError, match="frame 1 met a second fate: delivered"):
        ledger.delivered(frame(1))
    ledger.captured(frame(2))
    with pytest.raises(LedgerError, match="frame 2 was captured twice"):
        ledger.captured(frame(2))


def test_a_closed_ledger_counts_no_more_fates() -> None:
    ledger = Ledger(Clock())
    ledger.captured(frame(0))
    ledger.close()
    ledger.failed(frame(0), "sink")
    ledger.close()
    summary = summarize(ledger, "f")
    assert (summary.captured, summary.aborted, sum(summary.failed.values())) == (1, 1, 0)


def test_the_summary_has_all_keys_from_the_start_and_is_json() -> None:
    summary = json.loads(json.dumps(summarize(Ledger(Clock()), "f").to_json()))
    assert list(summary) == [
        *("flow", "run", "started", "ended", "host", "version", "exit_code", "error"),
        *("captured", "delivered", "dropped", "failed", "aborted", "repeated"),
        *("reconnects", "unavailable_s", "generation", "duration_s", "fps", "latency_ms"),
        *("bottleneck", "busy_ms", "period_ms", "hooks", "window", "sinks"),
        *("cpu_s", "memory_bytes", "picture", "expect"),
    ]
    assert list(summary["dropped"]) == ["superseded", "stale", "hook", "no_response"]
    assert list(summary["failed"]) == ["preprocess", "transport", "timeout", "postprocess", "sink"]
    assert summary["reconnects"] == {"source": 0, "transport": 0, "sink": 0}
    assert summary["unavailable_s"] == {"source": 0.0, "transport": 0.0, "sink": 0.0}
    assert list(summary["latency_ms"]) == ["end_to_end", *STAGES]
    for points in summary["latency_ms"].values():
        assert points == {"p50": None, "p95": None, "p99": None, "max": None}
    assert (summary["bottleneck"], summary["period_ms"]) == (None, None)
    working = ("source", "preprocess", "transport", "postprocess", "sink")
    assert summary["busy_ms"] == dict.fromkeys(working)


@pytest.mark.parametrize(
    ("unavailable", "bottleneck"),
    [
        ({}, "source"),
        ({"source": 2.0}, "source"),
        ({"transport": 2.0}, "transport"),
        ({"sink": 2.0}, "transport"),
    ],
)
def test_the_source_is_not_the_bottleneck_of_a_run_that_waited_for_server_or_sink(
    unavailable: dict[str, float], bottleneck: str
) -> None:
    ledger = Ledger(Clock())
    ledger.captured(frame(0))
    ledger.took("source", 0.4)
    ledger.took("transport", 0.1)
    summary = summarize(ledger, "f", unavailable_s=unavailable)
    assert summary.bottleneck == bottleneck
    for part, seconds in unavailable.items():
        assert f", {part} unavailable for {seconds:.1f} s" in str(summary)


def test_rates_latencies_and_the_bottleneck_come_from_the_clock() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    for index in range(10):
        ledger.captured(frame(index))
        ledger.took("transport", 0.4, others=3)
        ledger.took("sink", 0.15)
    clock.now = 105.0
    for index in range(10):
        ledger.delivered(frame(index))
    ledger.close()
    summary = summarize(ledger, "f", reconnects={"transport": 2}, generation=3)
    assert (summary.duration_s, summary.fps) == (5.0, 2.0)
    assert summary.latency_ms["end_to_end"]["max"] == 5000.0
    assert (summary.reconnects["transport"], summary.generation) == (2, 3)
    assert summary.bottleneck == "sink"  # 1.5 s, and 4 s for four frames at a time
    assert (summary.busy_ms["sink"], summary.busy_ms["transport"]) == (150, 100)


def test_the_text_names_the_causes_that_occurred_and_no_others() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    for index in range(3):
        ledger.captured(frame(index))
    ledger.dropped(frame(0), "hook")
    ledger.failed(frame(1), "timeout")
    ledger.took("sink", 0.1)
    clock.now = 101.0
    ledger.delivered(frame(2))
    ledger.close()
    assert str(summarize(ledger, "demo")) == (
        "demo: captured 3 = delivered 1 + dropped 1 (hook 1) + failed 1 (timeout 1) + aborted 0\n"
        "  1.0 s, 1.0 fps, latency ms: p50 1000.0 · p95 1000.0 · p99 1000.0 · max 1000.0\n"
        "  bottleneck: sink 33 ms per frame = 33 ms frame period"
    )


def test_a_hook_that_takes_more_than_the_frame_period_is_named() -> None:
    ledger = Ledger(Clock())
    hook = ledger.latencies.hook
    fast, slow = hook("preprocess[0]", "a:fast"), hook("postprocess[0]", "b:slow")
    unused = hook("postprocess[1]", "c:unused")
    assert [it["mean_ms"] for it in summarize(ledger, "f").hooks] == [None] * 3
    for index in range(3):
        ledger.captured(frame(index))
        fast.add(0.01)
        slow.add(0.04)
    summary = summarize(ledger, "f")
    assert summary.period_ms == pytest.approx(33.333, abs=0.001)
    assert summary.hooks == [
        {"hook": "preprocess[0]", "name": "a:fast", "mean_ms": 10.0, "p95_ms": 10.0,
         "share": 0.3, "slow": False},
        {"hook": "postprocess[0]", "name": "b:slow", "mean_ms": 40.0, "p95_ms": 40.0,
         "share": 1.2, "slow": True},
        {"hook": "postprocess[1]", "name": "c:unused", "mean_ms": None, "p95_ms": None,
         "share": None, "slow": False},
    ]  # fmt: skip
    assert str(summary).splitlines()[3:] == [
        "  postprocess[0] b:slow takes 40 ms of the 33 ms frame period"
    ]
    unused.add(0.001)
    assert summarize(ledger, "f").hooks[2]["slow"] is False


def test_an_outage_does_not_lengthen_the_frame_period() -> None:
    ledger = Ledger(Clock())
    for index, time in enumerate([0.0, 0.04, 0.08, 0.12, 60.0, 60.04]):
        ledger.captured(Frame(np.zeros((2, 2, 3), np.uint8), index, time, 0.0, 100.0))
    assert summarize(ledger, "f").period_ms == pytest.approx(40, rel=1 / 32)


def test_listeners_get_every_fate_with_the_times_of_the_stages() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    fates_seen: list[Fate] = []
    ledger.on_fate(fates_seen.append)
    for index in range(3):
        ledger.captured(frame(index))
    ledger.took("transport", 0.4, frame(1))
    clock.now = 101.0
    ledger.delivered(frame(1).attach(faces=2))
    ledger.failed(frame(0), "timeout")
    ledger.close()
    assert [(fate.index, fate.fate, fate.cause) for fate in fates_seen] == [
        (1, "delivered", None), (0, "failed", "timeout"), (2, "aborted", None)
    ]  # fmt: skip
    assert fates_seen[0].took == {"end_to_end": 1.0, "transport": 0.4}
    assert fates_seen[0].data == {"faces": 2}
    assert fates_seen[0].time == 1 / 30


def test_the_ledger_has_the_time_of_capturing_and_the_mean_of_a_stage() -> None:
    ledger = Ledger(Clock())
    assert (ledger.capturing, ledger.latencies.mean("transport")) == (0.0, None)
    for index in range(4):
        image = np.zeros((2, 2, 3), np.uint8)
        ledger.captured(Frame(image, index, 0.0, 0.0, captured=100 + index / 2))
        ledger.took("transport", index / 10)
    assert ledger.capturing == 1.5
    assert ledger.latencies.mean("transport") == pytest.approx(0.15)


@given(st.lists(st.sampled_from(FATES), max_size=40), st.randoms())
def test_every_listener_gets_one_fate_per_captured_frame_in_the_order_of_the_fates(
    fates: list[Any], order: Any
) -> None:
    ledger = Ledger(Clock())
    fates_seen: list[Fate] = []
    too: list[Fate] = []
    ledger.on_fate(fates_seen.append)
    ledger.on_fate(too.append)
    for index in range(len(fates)):
        ledger.captured(frame(index))
    shuffled = list(enumerate(fates))
    order.shuffle(shuffled)
    for index, (fate, cause) in shuffled:
        settle(ledger, frame(index), fate, cause)
    before = len(fates_seen)
    ledger.close()
    ledger.close()
    seen = [(fate.index, fate.fate, fate.cause) for fate in fates_seen]
    assert seen[:before] == [(n, *fate) for n, fate in shuffled if fate[0] != "aborted"]
    assert sorted(seen) == sorted((n, *fate) for n, fate in enumerate(fates))
    assert too == fates_seen
    if fates:
        ledger.dropped(frame(0), "hook")  # the ledger is closed: no listener is called
    assert len(fates_seen) == len(fates)


def test_the_ledger_has_the_position_of_the_source_and_the_current_rate_of_delivery() -> None:
    clock = Clock()
    ledger = Ledger(clock)
    assert (ledger.position, ledger.fps_now) == (0.0, 0.0)
    for index in range(100):
        clock.now = 100.0 + index / 10
        at = replace(frame(index), time=7.0 + index / 25, captured=clock.now)
        ledger.captured(at)
        if index % 2:
            ledger.delivered(at)
        else:
            ledger.dropped(at, "stale")
    assert ledger.position == pytest.approx(99 / 25)
    assert ledger.fps_now == pytest.approx(5.0, abs=0.3)
