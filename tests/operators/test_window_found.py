"""The window that `in_flight: auto` finds, in whole chains in virtual time."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import operators as ops

from flowrun.operators.in_flight import in_flight
from flowrun.operators.limit import AdaptiveLimit
from flowrun.operators.pull import pull
from tests.testbed.virtual_time import VirtualTime

MOST = 256


@dataclass
class Chain:
    """A source that is always ready, a server of so many `workers` that take `seconds` each (give
    or take `jitter`), behind a network that takes `network` both ways together, and a sink that
    takes `sink`."""

    workers: int
    seconds: float = 0.05
    jitter: float = 0.0
    network: float = 0.0
    sink: float = 0.0
    virtual: VirtualTime = field(default_factory=VirtualTime)
    delivered: list[float] = field(default_factory=list)  # when
    took: list[float] = field(default_factory=list)  # from request to answer
    windows: list[int] = field(default_factory=list)  # at each delivery
    most: int = 0

    def __post_init__(self) -> None:
        self.limit = AdaptiveLimit(MOST, lambda: self.virtual.now)
        self._random = random.Random(1)
        self._waiting: deque[tuple[Future[None], float]] = deque()
        self._busy = 0
        self._inside = 0
        source, deliver = self.virtual.loop("source"), self.virtual.loop("deliver")
        chain = pull(itertools.count(), source).pipe(
            in_flight(self._submit, self.limit, deliver), ops.do_action(self._deliver)
        )
        self._subscription = chain.subscribe()

    def serve(self, frames: int) -> None:
        """Go on until so many more have been delivered."""
        end = len(self.delivered) + frames
        while len(self.delivered) < end:
            assert self.virtual.step(), f"nothing moves; waiting: {self.virtual.waiting}"

    def rate(self, frames: int) -> float:
        """Per second, of the last `frames`."""
        return (frames - 1) / (self.delivered[-1] - self.delivered[-frames])

    def close(self) -> None:
        self._subscription.dispose()

    def _submit(self, _: int) -> Future[None]:
        future: Future[None] = Future()
        self._inside += 1
        self.most = max(self.most, self._inside)
        self.virtual.after(self.network, lambda: self._arrive(future, self.virtual.now))
        return future

    def _arrive(self, future: Future[None], since: float) -> None:
        self._waiting.append((future, since))
        self._work()

    def _work(self) -> None:
        while self._waiting and self._busy < self.workers:
            future, since = self._waiting.popleft()
            self._busy += 1
            seconds = self.seconds * (1 + self.jitter * self._random.uniform(-1, 1))
            self.virtual.after(seconds, partial(self._answer, future, since))

    def _answer(self, future: Future[None], since: float) -> None:
        self._busy -= 1
        self.took.append(self.virtual.now - since)
        future.set_result(None)
        self._work()

    def _deliver(self, _: Any) -> None:
        self._inside -= 1
        self.delivered.append(self.virtual.now)
        self.windows.append(self.limit.value)
        self.virtual.spend(self.sink)


@pytest.fixture
def chains() -> Iterator[Any]:
    made: list[Chain] = []

    def chain(*arguments: Any, **keywords: Any) -> Chain:
        made.append(Chain(*arguments, **keywords))
        return made[-1]

    yield chain
    for each in made:
        each.close()


def median(values: list[Any]) -> Any:
    return sorted(values)[len(values) // 2]


@pytest.mark.parametrize(
    ("workers", "seconds"),
    [
        *[(1, 0.001), (4, 3.0), (16, 0.001)],
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [
                (1, 3.0),
                (2, 0.001),
                (2, 3.0),
                (4, 0.001),
                (7, 0.001),
                (7, 3.0),
                (16, 3.0),
            ]
        ),
    ],
)
def test_a_server_is_kept_busy_and_nothing_queues_there(
    chains: Any, workers: int, seconds: float
) -> None:
    chain = chains(workers, seconds)
    chain.serve(2000)
    chain.serve(2000)
    assert chain.rate(2000) >= 0.98 * workers / seconds
    assert workers <= median(chain.windows[-2000:]) <= workers + 1
    assert median(chain.took[-2000:]) == pytest.approx(seconds)


@pytest.mark.parametrize(("workers", "frames"), [(4, 150), (16, 700), (64, 2500)])
def test_the_window_is_found_within_some_windows_of_frames(
    chains: Any, workers: int, frames: int
) -> None:
    chain = chains(workers)
    chain.serve(frames)
    chain.serve(10 * workers)
    assert chain.rate(10 * workers) >= 0.9 * workers / 0.05
    assert max(chain.windows[-10 * workers :]) <= 1.5 * workers


@pytest.mark.parametrize(
    "workers", [1, 4, *(pytest.param(each, marks=pytest.mark.slow) for each in (2, 16))]
)
def test_times_that_vary_cost_little_of_the_throughput(chains: Any, workers: int) -> None:
    chain = chains(workers, jitter=0.3)
    chain.serve(2000)
    chain.serve(2000)
    assert chain.rate(2000) >= 0.9 * workers / 0.05
    assert sum(chain.windows[-2000:]) / 2000 <= 1.5 * workers + 1


def test_a_network_that_takes_its_time_is_filled(chains: Any) -> None:
    chain = chains(1, 0.01, network=0.05)  # six are on their way, of which one is worked on
    chain.serve(1000)
    chain.serve(2000)
    assert chain.rate(2000) >= 0.98 / 0.01
    assert median(chain.windows[-2000:]) == 6
    assert median(chain.took[-2000:]) == pytest.approx(0.01)


def test_a_slow_sink_gets_no_larger_window_than_it_needs(chains: Any) -> None:
    chain = chains(16, 0.05, sink=0.025)
    chain.serve(1000)
    chain.serve(2000)
    assert chain.rate(2000) >= 0.98 / 0.025
    assert median(chain.windows[-2000:]) <= 4


@pytest.mark.parametrize(
    ("workers", "before", "after"),
    [
        *[(1, 0.05, 0.5), (4, 0.5, 0.05)],
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [(1, 0.5, 0.05), (4, 0.05, 0.5)]),
    ],
)
def test_a_server_that_becomes_slower_or_faster_is_kept_busy(
    chains: Any, workers: int, before: float, after: float
) -> None:
    chain = chains(workers, before)
    chain.serve(1000)
    chain.seconds = after
    chain.serve(2000)
    chain.serve(1000)
    assert chain.rate(1000) >= 0.95 * workers / after
    assert median(chain.windows[-1000:]) <= workers + 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        *[(4, 1), (2, 8)],
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [(16, 2), (1, 4)]),
    ],
)
def test_a_server_that_gets_or_loses_workers_is_followed(
    chains: Any, before: int, after: int
) -> None:
    chain = chains(before)
    chain.serve(1000)
    chain.workers = after
    chain.serve(5000)
    chain.serve(1000)
    assert chain.rate(1000) >= 0.95 * after / 0.05
    assert median(chain.windows[-1000:]) <= 1.5 * after


def test_it_never_exceeds_the_maximum(chains: Any) -> None:
    chain = chains(1000)
    chain.serve(6000)
    assert max(chain.windows) == chain.most == MOST


CHANGES = st.lists(
    st.tuples(st.integers(1, 40), st.floats(0.0, 2.0), st.floats(0.0, 0.9), st.floats(0.0, 0.5)),
    max_size=12,
)


@given(CHANGES)
@settings(max_examples=settings().max_examples // 2)
def test_whatever_the_server_does_frames_go_on(
    changes: list[tuple[int, float, float, float]],
) -> None:
    chain = Chain(1)
    for chain.workers, chain.seconds, chain.jitter, chain.sink in changes:
        chain.serve(100)  # fails if nothing moves
        assert min(chain.windows) >= 1
        assert chain.most <= MOST
    chain.close()
