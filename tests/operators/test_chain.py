"""The operators together, as `compile_flow` joins them, in virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from reactivex import operators as ops
from reactivex.subject import Subject

from flowrun.operators.bounded import WhenFull, bounded
from flowrun.operators.filter_map import filter_map
from flowrun.operators.in_flight import in_flight
from flowrun.operators.outcome import Outcome
from flowrun.operators.pull import pull
from tests.testbed.virtual_time import VirtualTime


@dataclass
class Run:
    """A chain over a source of `end` numbers, one every `period` seconds, and what it did."""

    virtual: VirtualTime
    end: int
    period: float = 0.0
    when_full: WhenFull = "block"
    capacity: int = 4
    limit: int = 4
    latency: float = 0.0
    read: int = 0
    ahead: int = 0
    delivered: int = 0
    dropped: list[int] = field(default_factory=list)

    def numbers(self) -> Iterator[int]:
        for number in range(self.end):
            self.read += 1
            self.ahead = max(self.ahead, self.read - self.delivered - len(self.dropped))
            yield number
            # Like a camera: the next one comes at its time, whatever the chain does meanwhile.
            self.virtual.spend(max(0.0, self.read * self.period - self.virtual.now))

    def submit(self, item: int) -> Future[int]:
        future: Future[int] = Future()
        self.virtual.after(self.latency, lambda: future.set_result(item))
        return future

    def deliver(self, outcome: Outcome[int, int]) -> int | None:
        return outcome.value

    def count(self, _: int) -> None:
        self.delivered += 1

    def chain(self) -> Any:
        source, preprocess, deliver = map(self.virtual.loop, ("source", "preprocess", "deliver"))
        return pull(self.numbers(), source).pipe(
            bounded(self.capacity, self.when_full, preprocess, self.dropped.append),
            filter_map(int),
            in_flight(self.submit, self.limit, deliver),
            filter_map(self.deliver),
        )


@pytest.mark.parametrize("minutes", [5, pytest.param(60, marks=pytest.mark.slow)])
def test_video_passes_whole_and_in_order_for_an_hour(
    virtual: VirtualTime, watch: Any, minutes: int
) -> None:
    frames = minutes * 60 * 30
    run = Run(virtual, frames, period=1 / 30, when_full="drop_oldest", latency=0.05)
    watched = watch(run.chain(), run.count)
    virtual.run()
    assert watched.completed
    assert watched.values == list(range(frames))
    assert run.dropped == []
    assert virtual.now == pytest.approx(minutes * 60, abs=0.1)


def test_a_live_source_with_a_slow_server_drops_the_oldest_and_keeps_real_time(
    virtual: VirtualTime, watch: Any
) -> None:
    run = Run(virtual, 3000, period=0.01, when_full="drop_oldest", capacity=1, limit=2, latency=0.1)
    watched = watch(run.chain(), run.count)
    virtual.run()
    assert sorted(watched.values + run.dropped) == list(range(3000))
    assert watched.values == sorted(watched.values)
    assert virtual.now == pytest.approx(30.1, abs=0.2)
    # Two requests per 0.1 s for 30 s.
    assert len(watched.values) == pytest.approx(600, abs=5)


@pytest.mark.parametrize(("capacity", "limit"), [(1, 1), (1, 4), (4, 1), (8, 16)])
def test_the_source_is_at_most_buffer_and_window_ahead_of_a_slow_sink(
    virtual: VirtualTime, watch: Any, capacity: int, limit: int
) -> None:
    run = Run(virtual, 200, capacity=capacity, limit=limit)

    def slow(value: int) -> None:
        virtual.spend(1.0)
        run.count(value)

    watched = watch(run.chain(), slow)
    virtual.run()
    assert (watched.values, run.dropped) == (list(range(200)), [])
    # Exactly: no operator holds a value outside of its bound.
    assert run.ahead == capacity + limit


def test_a_server_that_never_answers_stops_the_source_at_buffer_and_window(
    virtual: VirtualTime, watch: Any
) -> None:
    run = Run(virtual, 200, capacity=3, limit=5, latency=1e9)
    watch(run.chain(), run.count)
    virtual.run(until=1000.0)
    assert (run.read, virtual.waiting) == (3 + 5, ["source", "preprocess"])


def test_take_until_ends_the_source_and_drains_what_it_had_read(
    virtual: VirtualTime, watch: Any
) -> None:
    stop: Subject[None] = Subject()
    run = Run(virtual, 200, period=0.1, latency=1.0, limit=2, capacity=3)
    source, preprocess, deliver = map(virtual.loop, ("source", "preprocess", "deliver"))
    watched = watch(
        pull(run.numbers(), source).pipe(
            ops.take_until(stop),
            bounded(3, "block", preprocess, run.dropped.append),
            in_flight(run.submit, 2, deliver),
            filter_map(run.deliver),
        )
    )
    virtual.after(5.05, lambda: stop.on_next(None))
    virtual.run()
    assert watched.completed
    assert watched.values == list(range(run.read))
    assert 5 < run.read < 20


def test_the_same_chain_gives_the_same_run_every_time(watch: Any) -> None:
    def once() -> tuple[list[int], list[int], float]:
        virtual = VirtualTime()
        run = Run(virtual, 500, 0.01, "drop_oldest", capacity=2, limit=3, latency=0.07)
        watched = watch(run.chain())
        virtual.run()
        return watched.values, run.dropped, virtual.now

    assert once() == once()
