from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
from reactivex.subject import Subject

from flowrun.operators.in_flight import in_flight
from flowrun.operators.limit import AdaptiveLimit, Limit
from flowrun.operators.outcome import Outcome
from flowrun.operators.pull import pull
from tests.testbed.virtual_time import VirtualTime

JOIN = 20.0


class Server:
    """Remembers what it was asked; the test answers by hand."""

    def __init__(self) -> None:
        self.futures: dict[int, Future[str]] = {}

    def submit(self, item: int) -> Future[str]:
        return self.futures.setdefault(item, Future())

    def answer(self, *items: int) -> None:
        for item in items:
            self.futures[item].set_result(f"answer {item}")


def reading(read: list[int], end: int) -> Iterator[int]:
    for number in range(end):
        read.append(number)
        yield number


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def subject() -> Subject[int]:
    return Subject()


def answers(*items: int) -> list[Outcome[int, str]]:
    return [Outcome(item, f"answer {item}") for item in items]


def test_results_leave_in_the_order_of_the_source(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched = watch(subject.pipe(in_flight(server.submit, 4, virtual.loop("deliver"))))
    for number in range(3):
        subject.on_next(number)
    server.answer(2, 1)
    virtual.run()
    assert watched.values == []
    server.answer(0)
    virtual.run()
    assert watched.values == answers(0, 1, 2)


def test_nothing_is_delivered_on_the_thread_that_completes_a_future(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched = watch(subject.pipe(in_flight(server.submit, 4, virtual.loop("deliver"))))
    subject.on_next(0)
    server.answer(0)
    assert watched.values == []
    virtual.run()
    assert watched.values == answers(0)


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_full_window_blocks_the_source_before_it_has_the_next_value(
    virtual: VirtualTime, watch: Any, server: Server, limit: int
) -> None:
    read: list[int] = []
    source, deliver = virtual.loop("source"), virtual.loop("deliver")
    watched = watch(pull(reading(read, 20), source).pipe(in_flight(server.submit, limit, deliver)))
    virtual.run()
    assert (len(read), len(server.futures), virtual.waiting) == (limit, limit, ["source"])
    server.answer(0)
    virtual.run()
    assert (len(read), len(server.futures), virtual.waiting) == (limit + 1, limit + 1, ["source"])
    assert watched.values == answers(0)


def test_a_slot_is_freed_by_the_delivery_of_its_result_not_by_the_response(
    virtual: VirtualTime, watch: Any, server: Server
) -> None:
    asked: list[int] = []
    source, deliver = virtual.loop("source"), virtual.loop("deliver")
    watched = watch(
        pull(range(9), source).pipe(in_flight(server.submit, 2, deliver)),
        lambda outcome: asked.append(len(server.futures)),
    )
    virtual.run()
    server.answer(1)  # answered, but its turn has not come
    virtual.run()
    assert (watched.values, len(server.futures)) == ([], 2)
    server.answer(0)
    virtual.run()
    # While downstream has the first result the third request is not sent yet.
    assert asked[0] == 2
    assert (watched.values, len(server.futures)) == (answers(0, 1), 4)


def test_a_slow_consumer_fills_the_window(virtual: VirtualTime, watch: Any, server: Server) -> None:
    def submit(item: int) -> Future[str]:
        future = server.submit(item)
        server.answer(item)
        return future

    source, deliver = virtual.loop("source"), virtual.loop("deliver")
    watched = watch(
        pull(range(9), source).pipe(in_flight(submit, 3, deliver)),
        lambda outcome: virtual.spend(10.0),
    )
    virtual.run(until=35.0)
    assert (len(watched.values), len(server.futures)) == (4, 7)
    virtual.run()
    assert (watched.values, watched.completed) == (answers(*range(9)), True)


def test_a_failure_is_delivered_in_order_and_the_stream_goes_on(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    broken, refused = ValueError("broken"), ValueError("refused")

    def submit(item: int) -> Future[str]:
        if item == 2:
            raise refused
        return server.submit(item)

    watched = watch(subject.pipe(in_flight(submit, 5, virtual.loop("deliver"))))
    for number in range(4):
        subject.on_next(number)
    subject.on_completed()
    server.answer(3)
    assert server.futures[1].cancel()
    server.futures[0].set_exception(broken)
    virtual.run()
    first, second, third, fourth = watched.values
    assert first == Outcome(0, error=broken)
    assert (second.item, second.value, type(second.error)) == (1, None, CancelledError)
    assert third == Outcome(2, error=refused)
    assert fourth == Outcome(3, "answer 3")
    assert watched.completed


def test_an_interrupt_in_a_future_is_that_items_error_too(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched = watch(subject.pipe(in_flight(server.submit, 5, virtual.loop("deliver"))))
    subject.on_next(0)
    interrupt = KeyboardInterrupt()
    server.futures[0].set_exception(interrupt)
    virtual.run()
    assert watched.values == [Outcome(0, error=interrupt)]


def test_completion_and_errors_follow_the_results_of_the_values_before_them(
    virtual: VirtualTime, watch: Any, server: Server
) -> None:
    error = ValueError("torn")
    first: Subject[int] = Subject()
    second: Subject[int] = Subject()
    deliver = virtual.loop("deliver")
    completes = watch(first.pipe(in_flight(server.submit, 4, deliver)))
    fails = watch(second.pipe(in_flight(server.submit, 4, deliver)))
    first.on_next(0)
    first.on_next(1)
    first.on_completed()
    second.on_next(2)
    second.on_error(error)
    server.answer(1)
    virtual.run()
    assert (completes.completed, fails.error) == (False, None)
    server.answer(0, 2)
    virtual.run()
    assert (completes.values, completes.completed) == (answers(0, 1), True)
    assert (fails.values, fails.error) == (answers(2), error)


def test_an_empty_stream_completes(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched = watch(subject.pipe(in_flight(server.submit, 1, virtual.loop("deliver"))))
    subject.on_completed()
    virtual.run()
    assert (watched.values, watched.completed) == ([], True)


def test_none_is_a_result_like_any_other(
    virtual: VirtualTime, watch: Any, subject: Subject[int]
) -> None:
    future: Future[None] = Future()
    watched = watch(subject.pipe(in_flight(lambda _: future, 2, virtual.loop("deliver"))))
    subject.on_next(7)
    future.set_result(None)
    virtual.run()
    assert watched.values == [Outcome(7, None, None)]


def test_dispose_cancels_pending_futures_and_delivers_nothing_more(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched = watch(subject.pipe(in_flight(server.submit, 4, virtual.loop("deliver"))))
    for number in range(3):
        subject.on_next(number)
    server.answer(0)
    watched.dispose()
    virtual.run()
    assert [future.cancelled() for future in server.futures.values()] == [False, True, True]
    assert (watched.values, watched.completed, subject.observers) == ([], False, [])


def test_a_response_after_dispose_is_discarded_silently(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched = watch(subject.pipe(in_flight(server.submit, 4, virtual.loop("deliver"))))
    subject.on_next(0)
    assert server.futures[0].set_running_or_notify_cancel()  # cannot be cancelled any more
    watched.dispose()
    server.answer(0)
    virtual.run()
    assert watched.values == []


def test_a_request_that_is_sent_while_the_stream_is_disposed_is_cancelled(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched: Any = None

    def submit(item: int) -> Future[str]:
        watched.dispose()
        return server.submit(item)

    watched = watch(subject.pipe(in_flight(submit, 4, virtual.loop("deliver"))))
    subject.on_next(0)
    assert server.futures[0].cancelled()


def test_dispose_by_the_consumer_in_the_middle_of_a_delivery_is_the_end(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watched: Any = None
    watched = watch(
        subject.pipe(in_flight(server.submit, 4, virtual.loop("deliver"))),
        lambda outcome: watched.dispose(),
    )
    for number in range(3):
        subject.on_next(number)
    server.answer(0, 1)
    virtual.run()
    assert (watched.values, server.futures[2].cancelled()) == (answers(0), True)


def test_an_error_of_the_consumer_reaches_its_on_error_and_cancels_the_rest(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    def act(outcome: object) -> None:
        raise ValueError("sink is full")

    watched = watch(subject.pipe(in_flight(server.submit, 4, virtual.loop("deliver"))), act)
    subject.on_next(0)
    subject.on_next(1)
    server.answer(0)
    virtual.run()
    assert (watched.values, repr(watched.error)) == (answers(0), "ValueError('sink is full')")
    assert (server.futures[1].cancelled(), subject.observers) == (True, [])


def test_an_interrupt_in_a_delivery_ends_the_run_and_releases_every_thread(
    watch: Any, threads: Any, server: Server
) -> None:
    def act(outcome: object) -> None:
        raise KeyboardInterrupt

    asked = threading.Event()

    def submit(item: int) -> Future[str]:
        future = server.submit(item)
        if item == 1:  # the window is full, the source waits or is about to
            asked.set()
        return future

    with threads() as on:
        watched = watch(pull(range(99), on.source).pipe(in_flight(submit, 2, on.deliver)), act)
        assert asked.wait(JOIN)
        server.answer(0)
        with pytest.raises(KeyboardInterrupt):
            on.run(watched)
    # … and the source's thread has ended, or leaving the block would have failed.
    assert server.futures[1].cancelled()


def test_a_stream_whose_last_futures_complete_on_other_threads_completes(
    watch: Any, threads: Any, server: Server
) -> None:
    def submit(item: int) -> Future[str]:
        future = server.submit(item)
        threading.Thread(target=server.answer, args=(item,), name=f"grpc {item}").start()
        return future

    with threads() as on:
        watched = watch(pull(range(200), on.source).pipe(in_flight(submit, 4, on.deliver)))
        on.run(watched)
    assert (watched.values, watched.completed) == (answers(*range(200)), True)
    assert watched.threads == {threading.current_thread().name}
    for thread in threading.enumerate():
        if thread.name.startswith("grpc"):
            thread.join(JOIN)


class Narrowing(Limit):
    """Two, until the first value leaves; one from then on."""

    def leave(self) -> None:
        super().leave()
        self.value = 1


def test_upstream_that_is_woken_and_finds_no_space_is_woken_again(
    watch: Any, threads: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Semaphore(0)  # upstream has looked, and is about to wait

    def wait_for(condition: threading.Condition, predicate: Callable[[], bool]) -> bool:
        def notified() -> bool:
            room = predicate()
            if not room:
                full.release()
            return room

        return wait(condition, notified)

    def answer_when_upstream_waits() -> None:
        for item in range(2):
            if full.acquire(timeout=JOIN):
                server.answer(item)

    def submit(item: int) -> Future[str]:
        future = server.submit(item)
        if item > 1:
            server.answer(item)
        return future

    with threads() as on:
        wait: Callable[..., bool] = on.deliver.wait_for
        monkeypatch.setattr(on.deliver, "wait_for", wait_for)
        watched = watch(pull(range(3), on.source).pipe(in_flight(submit, Narrowing(2), on.deliver)))
        server_thread = threading.Thread(target=answer_when_upstream_waits, name="server")
        server_thread.start()
        on.run(watched)
        server_thread.join(JOIN)
    assert (watched.values, watched.completed) == (answers(0, 1, 2), True)


def test_upstream_that_does_not_wait_gets_an_error_instead_of_filling_memory(
    virtual: VirtualTime, watch: Any, server: Server, subject: Subject[int]
) -> None:
    watch(subject.pipe(in_flight(server.submit, 2, virtual.loop("deliver"))))

    def burst(*_: object) -> None:
        for number in range(3):
            subject.on_next(number)

    virtual.loop("source").schedule(burst)
    with pytest.raises(RuntimeError, match=r"^upstream did not wait until on_next returned$"):
        virtual.run()
    assert len(server.futures) == 2


def test_a_limit_below_one_is_rejected(virtual: VirtualTime, server: Server) -> None:
    with pytest.raises(ValueError, match=r"^limit is 0, must be at least 1$"):
        in_flight(server.submit, 0, virtual.loop("deliver"))


@pytest.mark.parametrize("limit", [Limit(3), AdaptiveLimit(3)])
def test_the_limit_counts_those_between_submit_and_the_end_of_downstream(
    virtual: VirtualTime, watch: Any, server: Server, limit: Limit
) -> None:
    limit.value = 3
    subject: Subject[int] = Subject()
    seen: list[int] = []
    flow = subject.pipe(in_flight(server.submit, limit, virtual.loop("deliver")))
    watched = watch(flow, lambda _: seen.append(limit.inside))
    for number in range(2):
        subject.on_next(number)
    server.answer(1)
    virtual.run()
    assert (limit.inside, seen) == (2, [])
    server.answer(0)
    virtual.run()
    assert (limit.inside, seen) == (0, [2, 1])
    subject.on_next(2)
    watched.dispose()
    assert limit.inside == 0  # no thread waits for it
