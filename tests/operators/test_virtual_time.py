from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from flowrun.operators.bounded import bounded
from tests.testbed.virtual_time import VirtualTime


def test_actions_run_at_their_times_and_in_the_order_of_scheduling(virtual: VirtualTime) -> None:
    a, b = virtual.loop("a"), virtual.loop("b")
    ran: list[tuple[str, float]] = []

    def note(_: object, name: str | None) -> None:
        ran.append((str(name), virtual.now))

    a.schedule_relative(2.0, note, "last")
    b.schedule_relative(timedelta(seconds=1), note, "second")
    a.schedule_absolute(1.0, note, "third")
    b.schedule(note, "first")
    virtual.run()
    assert ran == [("first", 0.0), ("second", 1.0), ("third", 1.0), ("last", 2.0)]


def test_time_runs_up_to_the_limit_and_no_further(virtual: VirtualTime) -> None:
    ran: list[float] = []
    for seconds in (1.0, 2.0, 3.0):
        virtual.after(seconds, lambda: ran.append(virtual.now))
    virtual.run(until=2.5)
    assert (ran, virtual.now) == ([1.0, 2.0], 2.5)
    virtual.run()
    assert (ran, virtual.now) == ([1.0, 2.0, 3.0], 3.0)


def test_a_loop_that_spends_time_is_late_and_the_others_are_not(virtual: VirtualTime) -> None:
    slow, quick = virtual.loop("slow"), virtual.loop("quick")
    ran: list[tuple[str, float]] = []

    def work(*_: object) -> None:
        ran.append(("slow", virtual.now))
        virtual.spend(0.75)
        virtual.spend(0.25)

    slow.schedule(work)
    slow.schedule(work)
    quick.schedule_relative(0.5, lambda *_: ran.append(("quick", virtual.now)))
    virtual.run()
    assert ran == [("slow", 0.0), ("quick", 0.5), ("slow", 1.0)]


def test_a_waiting_loop_runs_nothing_until_the_condition_is_true(virtual: VirtualTime) -> None:
    waiter, other = virtual.loop("waiter"), virtual.loop("other")
    ran: list[float] = []
    ready: list[int] = []
    condition = threading.Condition()

    def wait(*_: object) -> None:
        other.wait_for(condition, lambda: bool(ready))

    waiter.schedule(wait)
    waiter.schedule(lambda *_: ran.append(virtual.now))
    virtual.run()
    assert (ran, virtual.waiting) == ([], ["waiter"])
    virtual.after(5.0, lambda: ready.append(1))
    virtual.run()
    assert (ran, virtual.waiting) == ([5.0], [])


def test_a_cancelled_action_takes_no_time(virtual: VirtualTime) -> None:
    loop = virtual.loop("a")
    loop.schedule_relative(10.0, lambda *_: None).dispose()
    virtual.run()
    assert virtual.now == 0.0


def test_what_an_action_raises_is_raised_by_run(virtual: VirtualTime) -> None:
    def fail() -> None:
        raise ValueError("bad")

    virtual.after(1.0, fail)
    with pytest.raises(ValueError, match=r"^bad$"):
        virtual.run()


def test_time_passes_while_a_caller_outside_the_loops_waits(
    virtual: VirtualTime, watch: Any
) -> None:
    subject: Subject[int] = Subject()
    loop = virtual.loop("sink")
    watched = watch(
        subject.pipe(bounded(1, "block", loop, print)), lambda value: virtual.spend(1.0)
    )
    for number in range(3):
        subject.on_next(number)
    subject.on_completed()
    virtual.run()
    assert (watched.values, watched.completed, virtual.now) == ([0, 1, 2], True, 3.0)


def test_a_caller_outside_the_loops_that_would_wait_forever_gets_an_error(
    virtual: VirtualTime,
) -> None:
    loop = virtual.loop("sink")
    with pytest.raises(RuntimeError, match=r"^deadlock: no action can run; waiting: \[\]$"):
        loop.wait_for(threading.Condition(), lambda: False)
    with pytest.raises(RuntimeError, match=r"^only an action can spend time$"):
        virtual.spend(1.0)


def test_the_timing_operators_of_reactivex_use_virtual_time(
    virtual: VirtualTime, watch: Any
) -> None:
    loop = virtual.loop("timer")
    watched = watch(
        reactivex.interval(1.0, scheduler=loop).pipe(ops.take_with_time(3.5, scheduler=loop))
    )
    virtual.run(until=100.0)
    assert (watched.values, watched.completed) == ([0, 1, 2], True)
