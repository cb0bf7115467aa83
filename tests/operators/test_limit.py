"""The adaptive limit finds the window for a simulated server, with a simulated clock."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.operators.limit import AdaptiveLimit, Limit


class Server:
    """Answers one request per worker in `seconds` (more or less, by `jitter`), in order; and a
    client that keeps as many in flight as the limit and `demand` allow: one more request every so
    many seconds."""

    def __init__(
        self, maximum: int, workers: int, seconds: float, *, demand: float = 0.0, jitter: float = 0
    ) -> None:
        self.now = 100.0
        self.limit = AdaptiveLimit(maximum, lambda: self.now)
        self.workers, self.seconds, self.demand, self.jitter = workers, seconds, demand, jitter
        self.values: list[int] = []  # of the limit, at each answer
        self.most = 0  # in flight
        self._random = random.Random(1)
        self._busy: list[float] = []  # until when each worker is
        self._inside: list[float] = []  # when each is answered
        self._next = self.now  # when the next request is wanted

    def serve(self, requests: int) -> Counter[int]:
        """How often the limit had which value."""
        for _ in range(requests):
            self._fill()
            self.now = max(self.now, self._inside.pop(0))
            self.limit.leave()
            self.values.append(self.limit.value)
        return Counter(self.values[-requests:])

    def _fill(self) -> None:
        while len(self._inside) < self.limit.value:
            if self._inside and self._next > max(self.now, self._inside[0]):
                return  # an answer comes first
            self.now = max(self.now, self._next)
            self._next = self.now + self.demand
            self._send()
            self.most = max(self.most, len(self._inside))

    def _send(self) -> None:
        self._busy = sorted(until for until in self._busy if until > self.now)
        begin = self.now
        if len(self._busy) >= self.workers:
            begin = self._busy[-self.workers]
            self._busy.remove(begin)
        done = begin + self.seconds * (1 + self.jitter * self._random.uniform(-1, 1))
        self._busy.append(done)
        last = self._inside[-1] if self._inside else 0.0
        self._inside.append(max(done, last))
        self.limit.enter()


def is_busy(workers: int, values: Counter[int]) -> bool:
    """Whether there was nearly always something for each to do, and not much more."""
    idle = sum(values[n] for n in values if n < workers)
    return idle <= 0.05 * sum(values.values()) and max(values) <= 1.5 * workers + 2


def test_a_fixed_limit_does_not_change() -> None:
    limit = Limit(3)
    limit.enter()
    limit.leave()
    assert limit.value == 3


@pytest.mark.parametrize("limit", [Limit, AdaptiveLimit])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_below_one_is_rejected(limit: type[Limit], value: int) -> None:
    with pytest.raises(ValueError, match=rf"^limit is {value}, must be at least 1$"):
        limit(value)


def test_it_begins_with_one() -> None:
    assert AdaptiveLimit(8).value == 1


@pytest.mark.parametrize("seconds", [0.001, 0.05, 3.0])
def test_a_server_that_does_one_thing_at_a_time_gets_one_with_rare_probes(seconds: float) -> None:
    server = Server(8, 1, seconds)
    server.serve(1000)
    values = server.serve(10_000)
    assert set(values) <= {1, 2}
    assert values[2] <= 0.05 * 10_000
    assert values[2] > 0  # it never stops trying, for the server may get another worker


@pytest.mark.parametrize(
    ("workers", "jitter"), [(2, 0.0), (3, 0.0), (4, 0.0), (7, 0.0), (2, 0.1), (4, 0.1)]
)
def test_a_server_that_does_several_things_at_once_is_kept_busy(
    workers: int, jitter: float
) -> None:
    server = Server(32, workers, 0.1, jitter=jitter)
    server.serve(500)
    values = server.serve(5000)
    assert is_busy(workers, values)


@pytest.mark.parametrize("workers", [1, 2, 4, 7])
@pytest.mark.parametrize("jitter", [0.1, 0.3])
def test_a_server_with_varying_latency_is_kept_busy(workers: int, jitter: float) -> None:
    server = Server(32, workers, 0.1, jitter=jitter)
    server.serve(1000)
    began = server.now
    values = server.serve(5000)
    assert 5000 / (server.now - began) >= 0.9 * workers / 0.1
    assert sum(n * values[n] for n in values) / 5000 <= 1.5 * workers


def test_it_does_not_go_beyond_the_maximum() -> None:
    server = Server(3, 16, 0.1)
    server.serve(500)
    assert server.limit.value == 3
    assert server.most == 3


@pytest.mark.parametrize(("demand", "in_flight"), [(0.2, 1), (0.06, 2), (0.04, 3), (0.03, 4)])
def test_a_limit_is_raised_by_one_at_most_beyond_what_is_ever_in_flight(
    demand: float, in_flight: int
) -> None:
    server = Server(16, 16, 0.1, demand=demand)
    server.serve(300)  # at first it doubles
    values = server.serve(5000)
    assert server.most == in_flight
    assert in_flight <= max(values) <= in_flight + 1


@pytest.mark.parametrize(("before", "after"), [(0.05, 0.5), (0.5, 0.05), (0.05, 0.051)])
def test_a_serial_server_that_becomes_slower_or_faster_gets_one_still(
    before: float, after: float
) -> None:
    server = Server(8, 1, before)
    server.serve(1000)
    server.seconds = after
    server.serve(100)
    values = server.serve(5000)
    assert values[1] >= 0.9 * 5000


@pytest.mark.parametrize(("before", "after"), [(0.05, 0.5), (0.5, 0.05)])
def test_a_parallel_server_that_becomes_slower_or_faster_is_kept_busy_again(
    before: float, after: float
) -> None:
    server = Server(8, 4, before)
    server.serve(1000)
    server.seconds = after
    server.serve(5000)
    values = server.serve(5000)
    assert is_busy(4, values)


def test_a_server_with_fewer_workers_gets_one_again() -> None:
    server = Server(8, 4, 0.1)
    server.serve(1000)
    assert server.limit.value >= 4
    server.workers = 1
    server.serve(500)
    values = server.serve(5000)
    assert values[1] >= 0.9 * 5000


def test_a_server_that_gets_more_workers_gets_more_in_the_end() -> None:
    server = Server(8, 1, 0.1)
    server.serve(500)
    server.workers = 4
    server.serve(5000)
    values = server.serve(1000)
    assert is_busy(4, values)


@given(
    maximum=st.integers(1, 6),
    steps=st.lists(st.tuples(st.booleans(), st.floats(0, 1e6) | st.just(0.0)), max_size=200),
)
def test_it_stays_from_one_to_the_maximum_whatever_the_times(maximum: int, steps: Any) -> None:
    now = 0.0
    limit = AdaptiveLimit(maximum, lambda: now)
    inside = 0
    for enters, seconds in steps:
        now += seconds
        if enters and inside < limit.value:
            inside += 1
            limit.enter()
        elif inside:
            inside -= 1
            limit.leave()
        assert 1 <= limit.value <= maximum
        assert 1 <= limit.settled <= maximum
