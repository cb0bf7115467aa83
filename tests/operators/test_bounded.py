from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from flowrun.operators.bounded import WhenFull, bounded
from flowrun.operators.loop import LoopScheduler, ThreadLoop
from flowrun.operators.occupancy import Occupancy
from flowrun.operators.pull import pull
from tests.testbed.virtual_time import VirtualTime

JOIN = 20.0


def reading(read: list[int], end: int) -> Iterator[int]:
    for number in range(end):
        read.append(number)
        yield number


def never(value: object) -> None:
    raise AssertionError(f"{value} was dropped")


@pytest.mark.parametrize("when_full", ["block", "drop_oldest"])
def test_values_leave_in_order_on_the_scheduler_and_completion_follows(
    virtual: VirtualTime, watch: Any, when_full: WhenFull
) -> None:
    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(bounded(4, when_full, virtual.loop("sink"), never)))
    for number in range(3):
        subject.on_next(number)
    subject.on_completed()
    assert watched.values == []
    virtual.run()
    assert (watched.values, watched.completed) == ([0, 1, 2], True)


def test_an_error_follows_the_values_that_came_before_it(virtual: VirtualTime, watch: Any) -> None:
    error = ValueError("torn")
    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(bounded(4, "block", virtual.loop("sink"), never)))
    subject.on_next(1)
    subject.on_error(error)
    virtual.run()
    assert (watched.values, watched.error) == ([1], error)


def test_an_empty_stream_completes(virtual: VirtualTime, watch: Any) -> None:
    empty: reactivex.Observable[int] = reactivex.empty()
    watched = watch(empty.pipe(bounded(1, "block", virtual.loop("sink"), never)))
    virtual.run()
    assert (watched.values, watched.completed) == ([], True)


@pytest.mark.parametrize("capacity", [1, 2, 5])
def test_a_full_buffer_blocks_the_source_before_it_has_the_next_value(
    virtual: VirtualTime, watch: Any, capacity: int
) -> None:
    read: list[int] = []
    source, sink = virtual.loop("source"), virtual.loop("sink")
    watched = watch(
        pull(reading(read, 100), source).pipe(bounded(capacity, "block", sink, never)),
        lambda value: virtual.spend(1000.0),
    )
    virtual.run(until=1.0)
    assert len(watched.values) == 1
    assert len(read) == 1 + capacity  # one is with the consumer
    assert virtual.waiting == ["source"]
    virtual.run()
    assert (watched.values, watched.completed) == (list(range(100)), True)


def test_a_full_buffer_that_drops_keeps_the_newest_and_reports_the_oldest(
    virtual: VirtualTime, watch: Any
) -> None:
    dropped: list[int] = []
    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(bounded(2, "drop_oldest", virtual.loop("sink"), dropped.append)))
    for number in range(6):
        subject.on_next(number)
    subject.on_completed()
    virtual.run()
    assert (dropped, watched.values, watched.completed) == ([0, 1, 2, 3], [4, 5], True)


def test_a_drop_is_reported_outside_the_lock(virtual: VirtualTime, watch: Any) -> None:
    # Whoever learns of a drop may want to end the stream at once, which takes the lock.
    subject: Subject[int] = Subject()
    watched: list[Any] = []

    def dispose(_: int) -> None:
        watched[0].dispose()

    watched.append(watch(subject.pipe(bounded(1, "drop_oldest", virtual.loop("sink"), dispose))))
    subject.on_next(1)
    subject.on_next(2)
    virtual.run()
    assert (watched[0].values, watched[0].completed) == ([], False)


def test_an_error_in_reporting_a_drop_ends_the_stream_after_the_buffered_values(
    virtual: VirtualTime, watch: Any
) -> None:
    def fail(value: int) -> None:
        raise ValueError(f"cannot drop {value}")

    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(bounded(1, "drop_oldest", virtual.loop("sink"), fail)))
    for number in range(3):
        subject.on_next(number)
    assert not subject.observers
    virtual.run()
    assert (watched.values, repr(watched.error)) == ([1], "ValueError('cannot drop 0')")


def test_none_is_a_value_like_any_other(virtual: VirtualTime, watch: Any) -> None:
    dropped: list[None] = []
    subject: Subject[None] = Subject()
    watched = watch(subject.pipe(bounded(1, "drop_oldest", virtual.loop("sink"), dropped.append)))
    subject.on_next(None)
    subject.on_next(None)
    virtual.run()
    assert (watched.values, dropped) == ([None], [None])


def test_an_action_emits_one_value_so_that_others_get_their_turn(
    virtual: VirtualTime, watch: Any
) -> None:
    sink = virtual.loop("sink")
    order: list[Any] = []
    subject: Subject[int] = Subject()
    watch(subject.pipe(bounded(3, "block", sink, never)), order.append)
    subject.on_next(1)
    subject.on_next(2)
    sink.schedule(lambda *_: order.append("another"))
    virtual.run()
    assert order == [1, "another", 2]


def test_dispose_discards_the_buffered_values_without_reporting_them(
    virtual: VirtualTime, watch: Any
) -> None:
    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(bounded(3, "block", virtual.loop("sink"), never)))
    subject.on_next(1)
    subject.on_next(2)
    watched.dispose()
    watched.dispose()
    assert not subject.observers
    virtual.run()
    assert (watched.values, watched.completed) == ([], False)


def test_dispose_by_the_consumer_ends_the_draining(virtual: VirtualTime, watch: Any) -> None:
    subject: Subject[int] = Subject()
    buffer = bounded(5, "block", virtual.loop("sink"), never)
    watched = watch(subject.pipe(buffer, ops.take(2)))
    for number in range(4):
        subject.on_next(number)
    virtual.run()
    assert (watched.values, watched.completed, watched.violations) == ([0, 1], True, [])
    assert not subject.observers


def test_an_error_of_the_consumer_reaches_its_on_error_and_disposes_upstream(
    virtual: VirtualTime, watch: Any
) -> None:
    # Behind reactivex's observe_on it kills the thread, and no notification comes.
    def act(value: int) -> None:
        raise ValueError("sink is full")

    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(bounded(5, "block", virtual.loop("sink"), never)), act)
    subject.on_next(1)
    subject.on_next(2)
    virtual.run()
    assert (watched.values, repr(watched.error)) == ([1], "ValueError('sink is full')")
    assert not subject.observers


def test_without_on_error_an_error_propagates_to_the_caller_of_the_scheduler(
    virtual: VirtualTime,
) -> None:
    subject: Subject[int] = Subject()
    subject.pipe(bounded(5, "block", virtual.loop("sink"), never)).subscribe()
    subject.on_error(ValueError("torn"))
    with pytest.raises(ValueError, match=r"^torn$"):
        virtual.run()


def test_upstream_that_does_not_wait_gets_an_error_instead_of_filling_memory(
    virtual: VirtualTime, watch: Any
) -> None:
    subject: Subject[int] = Subject()
    watch(subject.pipe(bounded(2, "block", virtual.loop("sink"), never)))

    def burst(*_: object) -> None:
        for number in range(3):
            subject.on_next(number)

    virtual.loop("source").schedule(burst)
    with pytest.raises(RuntimeError, match=r"^upstream did not wait until on_next returned$"):
        virtual.run()


def test_a_capacity_below_one_is_rejected(virtual: VirtualTime) -> None:
    with pytest.raises(ValueError, match=r"^capacity is 0, must be at least 1$"):
        bounded(0, "block", virtual.loop("sink"), never)


@pytest.mark.parametrize("way", ["dispose", "stop", "interrupt", "error", "crash"])
def test_a_source_that_waits_is_released_however_the_other_side_ends(watch: Any, way: str) -> None:
    deliver = LoopScheduler()
    source = ThreadLoop("source", deliver.fail)
    closed = threading.Event()
    full = threading.Event()
    released = [True]

    def numbers() -> Any:
        try:
            yield 0
            full.set()  # the source waits after the next one, or is about to
            yield 1
            yield from range(2, 1000)
        finally:
            closed.set()

    def act(value: int) -> None:
        full.wait(JOIN)
        if way == "dispose":
            watched.dispose()
        elif way == "stop":
            deliver.stop()
        elif way == "interrupt":
            raise KeyboardInterrupt
        elif way == "error":
            raise ValueError("sink is full")
        elif way == "crash":
            deliver.fail(ValueError("elsewhere"))

    watched = watch(pull(numbers(), source).pipe(bounded(1, "block", deliver, never)), act)
    if way == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            deliver.run()
    elif way == "crash":
        with pytest.raises(ValueError, match=r"^elsewhere$"):
            deliver.run()
    else:

        def stop_when_closed() -> None:
            released.append(closed.wait(JOIN))
            deliver.stop()

        guard = threading.Thread(target=stop_when_closed, name="guard")
        guard.start()
        deliver.run()
        guard.join(JOIN)
        assert all(released)  # by itself, not by the end of the loop
    assert closed.wait(JOIN)
    source.stop()
    assert source.join(JOIN)
    assert watched.violations == []


def test_a_buffer_whose_scheduler_has_ended_releases_upstream(watch: Any) -> None:
    ended = LoopScheduler()
    ended.stop()
    ended.run()
    subject: Subject[int] = Subject()
    watch(subject.pipe(bounded(2, "block", ended, never)))
    subject.on_next(1)
    assert len(subject.observers) == 1
    subject.on_next(2)
    assert subject.observers == []


def test_discarded_values_are_freed(virtual: VirtualTime, watch: Any) -> None:
    class Big:
        pass

    big = Big()
    alive = weakref.ref(big)
    subject: Subject[Big] = Subject()
    watched = watch(subject.pipe(bounded(3, "block", virtual.loop("sink"), never)))
    subject.on_next(big)
    watched.dispose()
    del big
    gc.collect()
    assert alive() is None


def test_an_observer_is_called_by_the_thread_of_the_scheduler_only(
    watch: Any, threads: Any
) -> None:
    with threads() as on:
        watched = watch(pull(range(500), on.source).pipe(bounded(3, "block", on.deliver, never)))
        on.run(watched)
    assert watched.values == list(range(500))
    assert watched.threads == {threading.current_thread().name}
    assert watched.violations == []


@pytest.mark.parametrize("when_full", ["block", "drop_oldest"])
def test_the_occupancy_reports_depth_capacity_and_oldest_value(
    virtual: VirtualTime, watch: Any, when_full: WhenFull
) -> None:
    level: Occupancy[int] = Occupancy()
    subject: Subject[int] = Subject()
    buffer = bounded(4, when_full, virtual.loop("sink"), never, level)
    assert (level.depth, level.capacity, level.oldest) == (0, 0, None)
    seen: list[tuple[int, int | None]] = []
    watched = watch(subject.pipe(buffer), lambda _: seen.append((level.depth, level.oldest)))
    assert (level.depth, level.capacity, level.oldest) == (0, 4, None)
    for number in range(3):
        subject.on_next(number)
    assert (level.depth, level.oldest) == (3, 0)
    virtual.run()
    assert seen == [(2, 1), (1, 2), (0, None)]  # what downstream works on waits no more
    subject.on_next(3)
    watched.dispose()
    assert (level.depth, level.oldest) == (0, None)
