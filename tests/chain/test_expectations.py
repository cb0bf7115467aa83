"""What a flow expects, judged over a window of a run whose clock the test controls."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flowrun.chain.expectations import SAMPLES, sample_regularly
from flowrun.frame import Frame
from flowrun.spec.expectations import expectations
from flowrun.spec.flow import ExpectSpec
from tests.testbed.virtual_time import VirtualTime

IMAGE = np.zeros((2, 2, 3), np.uint8)
LATENCY = "expect.latency.end_to_end.p95 is 200ms, expected <= 100ms (in the last 60 s)"


class Bench:
    """A run with one frame per call of `frame`, sampled as in a run."""

    def __init__(self, fake_run: Any, expect: dict[str, Any], window: float = 60.0) -> None:
        self.run = fake_run("f", ExpectSpec(window, expectations(expect)))
        self.run.open()
        self.watch = self.run.status.expectations
        self.watch.sample()
        self.index = 0
        self._due = self.run.now + self.watch.every

    def pass_time(self, seconds: float) -> None:
        end = self.run.now + seconds
        while self._due <= end:
            self.run.now = self._due
            self.watch.sample()
            self._due += self.watch.every
        self.run.now = end

    def frame(self, fate: str = "delivered", took: float = 0.05, **data: Any) -> None:
        frame = replace(Frame(IMAGE, self.index, self.index / 10, 0.1, self.run.now), data=data)
        self.index += 1
        self.run.ledger.captured(frame)
        self.pass_time(took)
        if fate == "delivered":
            self.run.ledger.delivered(frame)
        else:
            self.run.ledger.dropped(frame, fate)
        self.pass_time(1.0 - took)

    def frames(self, count: int, took: float = 0.05, **data: Any) -> None:
        for _ in range(count):
            self.frame(took=took, **data)

    def broken(self) -> list[str]:
        found = self.run.status.broken()
        assert isinstance(found, list)
        return found


@pytest.fixture
def bench(fake_run: Any) -> Any:
    return lambda expect, **window: Bench(fake_run, expect, **window)


def test_a_model_that_becomes_slow_breaks_a_latency_until_the_window_has_passed(bench: Any) -> None:
    run = bench({"latency.end_to_end.p95": "100ms"})
    assert run.broken() == []
    run.frames(100)
    assert run.broken() == []
    run.frames(4, took=0.2)  # more than one in twenty of the last minute
    assert run.broken() == [LATENCY]
    run.frames(56)
    assert run.broken() == [LATENCY]
    run.frames(4)
    assert run.broken() == []
    whole = run.run.status.summary().latency_ms["end_to_end"]
    assert whole["max"] == pytest.approx(200)


def test_a_dropped_frame_breaks_a_percentage_and_a_number_for_a_window(bench: Any) -> None:
    run = bench({"delivered": "99%", "dropped.hook": 0, "dropped": "<= 1", "captured": ">= 900"})
    run.frames(10)
    run.frame("hook")
    assert run.broken() == [
        "expect.delivered is 90.9% (10 of 11), expected >= 99% (in the last 60 s)",
        "expect.dropped.hook is 1, expected == 0 (in the last 60 s)",
    ]
    assert [each["holds"] for each in run.run.status.summary().expect] == [False, False, True, None]
    run.frames(61)
    assert run.broken() == []


def test_frames_in_flight_and_a_pause_are_not_judged(bench: Any) -> None:
    run = bench({"delivered": "100%", "latency.end_to_end.max": "1s"})
    run.run.ledger.captured(Frame(IMAGE, 99, 0.0, 0.1, run.run.now))
    run.pass_time(30)
    assert run.broken() == []
    run.frames(3)
    run.pass_time(200)
    assert run.broken() == []
    assert [each["found"] for each in run.run.status.summary().expect] == [
        "0 of 0 frames",
        "nothing",
    ]


def test_the_frame_rate_is_that_of_the_window(bench: Any) -> None:
    run = bench({"fps": ">= 0.9"}, window=10.0)
    assert run.broken() == []  # nothing can be said in the first instant
    run.frames(30)
    assert run.broken() == []
    run.pass_time(5)
    assert run.broken() == ["expect.fps is 0.4918, expected >= 0.9 (in the last 10 s)"]


def test_what_hooks_attach_is_the_largest_value_of_the_window_and_of_the_run(bench: Any) -> None:
    run = bench({"attached.people": "<= 3", "attached.door.in": ">= 1"}, window=10.0)
    run.frames(5, people=2)
    run.frame(people=[1] * 4, door={"in": 2})
    run.frames(2, people=1)
    broken = "expect.attached.people is 4, expected <= 3 (in the last 10 s)"
    assert run.broken() == [broken]
    run.frames(10, people=3)
    assert run.broken() == []
    run.run.shutdown.stop()
    run.run.shutdown.close()
    run.run.ledger.close()
    run.run.status.end()
    assert run.broken() == ["expect.attached.people is 4, expected <= 3"]
    summary = run.run.status.summary()
    assert (summary.exit_code, summary.error) == (
        3,
        "1 of 2 expectations broken: attached.people is 4, expected <= 3",
    )
    assert [(each["holds"], each["value"]) for each in summary.expect] == [(False, 4), (True, 2)]


def test_memory_does_not_grow_with_the_run(bench: Any) -> None:
    run = bench({"latency.end_to_end.p95": "1s", "attached.n": "<= 9"}, window=6.0)
    run.frames(20, n=1)
    assert len(run.watch._samples) <= SAMPLES + 2
    assert len(run.watch._recent) <= SAMPLES + 1


def test_a_broken_expectation_makes_the_run_not_ready_and_the_status_says_why(bench: Any) -> None:
    run = bench({"failed": 0, "dropped": 0})
    run.frame("hook")
    status = run.run.status.to_json()
    sentence = "expect.dropped is 1, expected == 0 (in the last 60 s)"
    assert (status["ready"], status["broken"], status["waiting_for"]) == (False, [sentence], [])


def test_lost_frames_and_broken_expectations_are_reported_together(bench: Any) -> None:
    run = bench({"delivered": ">= 2"})
    run.run.status.promises_all = True
    run.frame("stale")
    run.run.status.end()
    summary = run.run.status.summary()
    assert summary.exit_code == 3
    assert summary.error.startswith("1 of 1 frames lost (stale 1)")
    assert summary.error.endswith("; 1 of 1 expectations broken: delivered is 0, expected >= 2")


def test_samples_are_taken_by_a_scheduler_of_their_own(bench: Any) -> None:
    run = bench({"failed": 0}, window=60.0)
    virtual = VirtualTime()
    taken: list[float] = []
    run.watch.sample = lambda: taken.append(virtual.now)
    sample_regularly(run.watch, lambda: virtual.loop("expectations"))
    virtual.run(until=3.5)
    assert taken == [0.0, 1.0, 2.0, 3.0]
