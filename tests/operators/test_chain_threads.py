"""The same guarantees with real threads, where only the operators order anything."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrun.operators.bounded import WhenFull, bounded
from flowrun.operators.filter_map import filter_map
from flowrun.operators.in_flight import in_flight
from flowrun.operators.outcome import Outcome
from flowrun.operators.pull import pull

JOIN = 20.0


class Server:
    """Answers on threads of its own, whatever waits there in any order, sometimes with an error."""

    def __init__(self, seed: int, failures: float, threads: int = 2) -> None:
        self._random = random.Random(seed)
        self._failures = failures
        self._changed = threading.Condition()
        self._open: list[tuple[int, Future[int]]] = []
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"grpc {n}") for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, item: int) -> Future[int]:
        future: Future[int] = Future()
        with self._changed:
            self._open.append((item, future))
            self._changed.notify()
        return future

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(JOIN)
            assert not thread.is_alive()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._open or self._stopped)
                if not self._open:
                    return
                item, future = self._open.pop(self._random.randrange(len(self._open)))
                fails = self._random.random() < self._failures
            if not future.set_running_or_notify_cancel():
                continue
            if fails:
                future.set_exception(ValueError(f"failed {item}"))
            else:
                future.set_result(item)


class Books:
    """Counts from all threads and keeps the worst."""

    def __init__(self, end: int) -> None:
        self._lock = threading.Lock()
        self._end = end
        self.read = self.entered = self.sent = self.left = 0
        self.queued = self.window = self.ahead = 0
        self.dropped: list[int] = []
        self.closed = 0

    def numbers(self) -> Iterator[int]:
        try:
            for number in range(self._end):
                with self._lock:
                    self.read += 1
                    self.queued = max(self.queued, self.read - self.entered - len(self.dropped))
                    self.ahead = max(self.ahead, self.read - self.left - len(self.dropped))
                yield number
        finally:
            self.closed += 1

    def drop(self, item: int) -> None:
        with self._lock:
            self.dropped.append(item)

    def enter(self, item: int) -> int:
        with self._lock:
            self.entered += 1
        return item

    def send(self, item: int) -> None:
        with self._lock:
            self.sent += 1
            self.window = max(self.window, self.sent - self.left)

    def leave(self, _: object) -> None:
        # The last act of the delivery, so the slot is still taken when this is counted as left.
        with self._lock:
            self.left += 1


def chain(
    on: Any, books: Books, server: Server, sizes: tuple[int, int], policy: WhenFull = "block"
) -> Any:
    capacity, limit = sizes

    def submit(item: int) -> Future[int]:
        books.send(item)
        return server.submit(item)

    return pull(books.numbers(), on.source).pipe(
        bounded(capacity, policy, on.preprocess, books.drop),
        filter_map(books.enter),
        in_flight(submit, limit, on.deliver),
    )


@settings(max_examples=3 * settings().max_examples // 5)
@given(
    end=st.integers(0, 80),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    policy=st.sampled_from(["block", "drop_oldest"]),
    failures=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 2**16),
)
def test_every_run_ends_with_one_fate_for_each_item(
    watch: Any,
    threads: Any,
    *,
    end: int,
    sizes: tuple[int, int],
    policy: WhenFull,
    failures: float,
    seed: int,
) -> None:
    capacity, limit = sizes
    server, books = Server(seed, failures), Books(end)
    try:
        with threads() as on:
            watched = watch(chain(on, books, server, sizes, policy), books.leave)
            on.run(watched)
    finally:
        server.stop()
    emitted = [outcome.item for outcome in watched.values]
    assert watched.violations == []
    assert watched.completed
    assert emitted == sorted(emitted)
    assert sorted(emitted + books.dropped) == list(range(end))
    assert books.dropped == [] or policy == "drop_oldest"
    assert all(
        (outcome.value == outcome.item) if outcome.error is None else outcome.value is None
        for outcome in watched.values
    )
    assert books.closed == 1
    assert books.window <= limit
    if policy == "block":
        # Counting happens a moment before or after the fact, hence one more of each.
        assert books.queued <= capacity + 1
        assert books.ahead <= capacity + limit


@settings(max_examples=3 * settings().max_examples // 5)
@given(
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    policy=st.sampled_from(["block", "drop_oldest"]),
    at=st.integers(0, 40),
    where=st.sampled_from(["source", "server", "sink", "elsewhere"]),
    seed=st.integers(0, 2**16),
)
def test_dispose_from_any_thread_ends_every_wait(
    watch: Any,
    threads: Any,
    *,
    sizes: tuple[int, int],
    policy: WhenFull,
    at: int,
    where: str,
    seed: int,
) -> None:
    server, books = Server(seed, 0.1), Books(10**12)
    now, done = threading.Event(), threading.Event()
    begun_after = 0
    watched: Any = None

    def dispose() -> None:
        watched.dispose()
        done.set()

    def at_the_moment(place: str, item: int) -> None:
        if place == where and item >= at and not done.is_set():
            dispose()

    def from_elsewhere() -> None:
        now.wait(JOIN)
        dispose()

    def numbers() -> Iterator[int]:
        for item in books.numbers():
            at_the_moment("source", item)
            yield item

    def submit(item: int) -> Future[int]:
        future = server.submit(item)
        future.add_done_callback(lambda _: at_the_moment("server", item))
        return future

    def act(outcome: Outcome[int, int]) -> None:
        nonlocal begun_after
        begun_after += done.is_set()
        at_the_moment("sink", outcome.item)
        if outcome.item >= at:
            now.set()

    elsewhere = threading.Thread(target=from_elsewhere, name="elsewhere")
    try:
        with threads() as on:
            ready = threading.Event()
            on.source.schedule(lambda *_: ready.wait(JOIN) and None)
            watched = watch(
                pull(numbers(), on.source).pipe(
                    bounded(sizes[0], policy, on.preprocess, books.drop),
                    filter_map(books.enter),
                    in_flight(submit, sizes[1], on.deliver),
                ),
                act,
            )
            ready.set()
            if where == "elsewhere":
                elsewhere.start()
            on.run(watched, until=done)
    finally:
        server.stop()
        if where == "elsewhere":
            elsewhere.join(JOIN)
    # The threads of the chain have ended, or leaving the block would have failed.
    emitted = [outcome.item for outcome in watched.values]
    assert done.is_set()
    assert emitted == sorted(set(emitted))
    assert not set(emitted) & set(books.dropped)
    assert len(books.dropped) == len(set(books.dropped))
    assert watched.violations == []
    assert not watched.completed
    assert books.closed == 1
    assert begun_after <= 1  # one may have been on its way when dispose came


@pytest.mark.parametrize(("capacity", "limit"), [(1, 1), (2, 3), (8, 4)])
def test_the_source_is_exactly_buffer_and_window_ahead_of_a_sink_that_stands_still(
    watch: Any, threads: Any, capacity: int, limit: int
) -> None:
    server, books = Server(0, 0.0), Books(1000)
    filled = threading.Event()

    class Filled(Books):
        def numbers(self) -> Iterator[int]:
            for number in super().numbers():
                if self.read == capacity + limit:
                    filled.set()
                yield number

    books = Filled(1000)

    def stand_still(outcome: Outcome[int, int]) -> None:
        assert filled.wait(JOIN)  # everything that can be read has been read …
        books.leave(outcome)

    try:
        with threads() as on:
            watched = watch(chain(on, books, server, (capacity, limit)), stand_still)
            on.run(watched)
    finally:
        server.stop()
    assert len(watched.values) == 1000
    assert books.ahead == capacity + limit  # … and never one more


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_thousand_starts_and_stops_leave_no_thread_behind(
    watch: Any, threads: Any, rounds: int
) -> None:
    before = set(threading.enumerate())
    for round_ in range(rounds):
        with threads() as on:
            enough = threading.Event()

            def act(outcome: Outcome[int, int], at: int = round_ % 7, end: Any = enough) -> None:
                if outcome.item == at:
                    end.set()  # a third of the rounds is disposed here, in full flow

            def submit(item: int) -> Future[int]:
                future: Future[int] = Future()
                future.set_result(item)
                return future

            watched = watch(
                pull(range(10 if round_ % 3 else 10**9), on.source).pipe(
                    bounded(2, "block", on.preprocess, print),
                    in_flight(submit, 2, on.deliver),
                ),
                act,
            )
            on.run(watched, until=enough if round_ % 3 == 0 else None)
        assert watched.violations == []
        assert watched.error is None
    gc.collect()
    assert set(threading.enumerate()) == before
