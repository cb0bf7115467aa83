"""Values go to several branches, with one completion for all of them."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as ops
from reactivex.subject import Subject

from flowrun.operators.bounded import WhenFull, bounded
from flowrun.operators.loop import ThreadLoop
from flowrun.operators.multicast import multicast
from flowrun.operators.pull import pull
from tests.testbed.virtual_time import VirtualTime

JOIN = 20.0


def never(value: object) -> None:
    raise AssertionError(f"{value} was dropped")


def named(name: str) -> Any:
    return ops.map(lambda value: (name, value))


def behind(loop: Any, name: str, capacity: int = 4, when_full: WhenFull = "block") -> Any:
    """A branch with a queue and a thread of its own."""
    dropped = (lambda value: None) if when_full == "drop_oldest" else never
    return lambda values: values.pipe(bounded(capacity, when_full, loop, dropped), named(name))


def of(watched: Any, name: str) -> list[int]:
    return [value for branch, value in watched.values if branch == name]


def test_one_branch_is_the_branch_itself() -> None:
    def branch(values: Observable[int]) -> Observable[int]:
        return values

    assert multicast(branch) is branch


def test_every_value_goes_into_every_branch_one_after_the_other(watch: Any) -> None:
    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(multicast(named("a"), named("b"), named("c"))))
    subject.on_next(1)
    subject.on_next(2)
    assert watched.values == [("a", 1), ("b", 1), ("c", 1), ("a", 2), ("b", 2), ("c", 2)]
    subject.on_completed()
    assert (watched.completed, watched.violations) == (True, [])


def test_it_completes_with_the_last_branch(virtual: VirtualTime, watch: Any) -> None:
    subject: Subject[int] = Subject()
    sink = virtual.loop("sink")
    watched = watch(subject.pipe(multicast(behind(sink, "slow"), named("fast"))))
    subject.on_next(1)
    subject.on_next(2)
    subject.on_completed()
    assert (watched.values, watched.completed) == ([("fast", 1), ("fast", 2)], False)
    virtual.run()
    assert of(watched, "slow") == [1, 2]
    assert (watched.completed, watched.violations) == (True, [])


def test_a_branch_that_completes_early_does_not_end_the_others(watch: Any) -> None:
    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(multicast(ops.take(1), ops.map(lambda value: value * 10))))
    for value in (1, 2, 3):
        subject.on_next(value)
    assert (watched.values, watched.completed) == ([1, 10, 20, 30], False)
    subject.on_completed()
    assert watched.completed


def test_an_error_of_upstreams_follows_what_the_branches_still_hold(
    virtual: VirtualTime, watch: Any
) -> None:
    error = ValueError("torn")
    subject: Subject[int] = Subject()
    branches = (behind(virtual.loop("a"), "a"), behind(virtual.loop("b"), "b"), named("c"))
    watched = watch(subject.pipe(multicast(*branches)))
    for value in (1, 2, 3):
        subject.on_next(value)
    subject.on_error(error)
    assert not watched.ended.is_set()
    virtual.run()
    assert [of(watched, name) for name in "abc"] == [[1, 2, 3]] * 3
    assert (watched.error, watched.completed, watched.violations) == (error, False, [])


def test_an_error_of_a_branch_ends_all_at_once(virtual: VirtualTime, watch: Any) -> None:
    def fail(value: int) -> int:
        if value == 2:
            raise ValueError(f"cannot write {value}")
        return value

    subject: Subject[int] = Subject()
    slow = behind(virtual.loop("slow"), "slow")
    watched = watch(subject.pipe(multicast(slow, ops.map(fail), named("last"))))
    subject.on_next(1)
    subject.on_next(2)
    assert repr(watched.error) == "ValueError('cannot write 2')"
    assert subject.observers == []
    subject.on_next(3)
    virtual.run()
    assert watched.values == [1, ("last", 1)]  # what the slow one held is discarded
    assert watched.violations == []


def test_an_error_of_a_branch_after_upstreams_takes_precedence(
    virtual: VirtualTime, watch: Any
) -> None:
    def fail(value: int) -> int:
        raise ValueError("no space left")

    def failing(values: Observable[int]) -> Observable[int]:
        return values.pipe(bounded(4, "block", virtual.loop("sink"), never), ops.map(fail))

    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(multicast(named("a"), failing)))
    subject.on_next(1)
    subject.on_error(ValueError("torn"))
    virtual.run()
    assert (repr(watched.error), watched.violations) == ("ValueError('no space left')", [])


def test_dispose_ends_every_branch_and_upstream(virtual: VirtualTime, watch: Any) -> None:
    subject: Subject[int] = Subject()
    branches = (behind(virtual.loop("a"), "a"), behind(virtual.loop("b"), "b"))
    watched = watch(subject.pipe(multicast(*branches)))
    subject.on_next(1)
    watched.dispose()
    assert subject.observers == []
    virtual.run()
    assert (watched.values, watched.error, watched.completed) == ([], None, False)


def test_each_subscription_has_branches_of_its_own(watch: Any) -> None:
    subject: Subject[int] = Subject()
    values = subject.pipe(multicast(ops.take(1), ops.take(2)))
    first, second = watch(values), watch(values)
    subject.on_next(1)
    subject.on_next(2)
    assert first.values == second.values == [1, 1, 2]
    assert first.completed
    assert second.completed


def test_a_branch_that_blocks_makes_upstream_wait_and_one_that_drops_does_not(
    virtual: VirtualTime, watch: Any
) -> None:
    blocks, drops = virtual.loop("blocks"), virtual.loop("drops")
    for loop, when_full, expected in ((blocks, "block", 3), (drops, "drop_oldest", 50)):
        read: list[int] = []
        numbers = (read.append(n) or n for n in range(50))  # type: ignore[func-returns-value]
        branches = (named("a"), behind(loop, "b", 2, when_full))  # type: ignore[arg-type]
        source = virtual.loop(f"source of {loop.name}")
        watched = watch(
            pull(numbers, source).pipe(multicast(*branches)),
            lambda value: virtual.spend(1000.0) if value[0] == "b" else None,
        )
        virtual.run(until=virtual.now + 1.0)
        assert len(read) == expected
        assert of(watched, "a") == read
        watched.dispose()


@settings(max_examples=settings().max_examples // 4)
@given(
    branches=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["block", "drop_oldest"])),
        min_size=2,
        max_size=3,
    ),
    end=st.integers(0, 60),
    fails=st.booleans(),
    seed=st.integers(0, 99),
)
def test_with_real_threads_each_branch_keeps_the_order_and_the_end_comes_once(
    watch: Any, threads: Any, branches: Any, end: int, fails: bool, seed: int
) -> None:
    chance = random.Random(seed)
    error = ValueError("torn")

    def numbers() -> Any:
        yield from range(end)
        if fails:
            raise error

    def act(value: object) -> None:
        for _ in range(chance.randrange(200)):  # one branch now and then slower than another
            pass

    with threads() as on:
        threads = [ThreadLoop(f"sink {n}", on.deliver.fail) for n in range(len(branches))]
        try:
            watched = watch(
                pull(numbers(), on.source).pipe(
                    bounded(2, "block", on.deliver, never),
                    multicast(*(
                        behind(loop, str(n), capacity, when_full)
                        for n, (loop, (capacity, when_full)) in enumerate(
                            zip(threads, branches, strict=True)
                        )
                    )),
                ),
                act,
            )  # fmt: skip
            on.run(watched)
        finally:
            for loop in threads:
                loop.stop()
            assert all(loop.join(JOIN) for loop in threads)
    assert watched.violations == []
    assert (watched.error, watched.completed) == ((error, False) if fails else (None, True))
    for n, (_, when_full) in enumerate(branches):
        got = of(watched, str(n))
        assert got == sorted(set(got))
        assert got == list(range(end)) or when_full == "drop_oldest"
        assert got[-1:] == ([end - 1] if end else [])  # the newest is never dropped


def test_two_threads_are_never_in_the_consumer_at_once(watch: Any, threads: Any) -> None:
    arrived = {0: threading.Event(), 1: threading.Event()}
    inside, left = threading.Event(), threading.Event()

    def branch(n: int, loop: ThreadLoop) -> Any:
        def arrive(value: int) -> int:
            arrived[n].set()
            return value

        return lambda values: values.pipe(bounded(1, "block", loop, never), ops.map(arrive))

    def act(value: int) -> None:
        if not inside.is_set():  # the first one holds the other up, which is on its way
            inside.set()
            assert all(event.wait(JOIN) for event in arrived.values())
            assert not left.wait(0.05)
        left.set()

    with threads() as on:
        threads = [ThreadLoop(f"sink {n}", on.deliver.fail) for n in range(2)]
        branches = [branch(n, loop) for n, loop in enumerate(threads)]
        watched = watch(pull([1], on.source).pipe(multicast(*branches)), act)
        on.run(watched)
        for loop in threads:
            loop.stop()
        assert all(loop.join(JOIN) for loop in threads)
    assert (watched.values, watched.completed, watched.violations) == ([1, 1], True, [])


def test_with_real_threads_an_error_of_one_branch_releases_all_that_wait(
    watch: Any, threads: Any
) -> None:
    stuck = threading.Event()

    def fail(value: int) -> int:
        if value == 3:
            raise ValueError("no space left")
        return value

    def hold(value: int) -> int:
        stuck.wait(JOIN)
        return value

    with threads() as on:
        threads = [ThreadLoop(f"sink {n}", on.deliver.fail) for n in range(2)]
        branches = [
            lambda values: values.pipe(bounded(9, "block", threads[0], never), ops.map(fail)),
            lambda values: values.pipe(bounded(9, "block", threads[1], never), ops.map(hold)),
        ]
        watched = watch(pull(range(10**9), on.source).pipe(multicast(*branches)))
        on.run(watched)
        stuck.set()
        for loop in threads:
            loop.stop()
        assert all(loop.join(JOIN) for loop in threads)
    assert repr(watched.error) == "ValueError('no space left')"
    assert watched.violations == []
    assert watched.values == [0, 1, 2]


@pytest.mark.parametrize("at", ["first", "second"])
def test_an_error_of_the_consumer_ends_upstream(virtual: VirtualTime, watch: Any, at: str) -> None:
    def act(value: Any) -> None:
        if value[0] == at:
            raise ValueError("sink is full")

    subject: Subject[int] = Subject()
    first, second = (behind(virtual.loop(name), name) for name in ("first", "second"))
    watched = watch(subject.pipe(multicast(first, second)), act)
    subject.on_next(1)
    virtual.run()
    assert repr(watched.error) == "ValueError('sink is full')"
    assert subject.observers == []
