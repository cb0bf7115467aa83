from __future__ import annotations

import gc
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from flowrun.operators.loop import LoopScheduler, ThreadLoop

JOIN = 20.0


def note(into: list[Any], value: Any) -> Callable[..., None]:
    return lambda *_: into.append(value)


def ignore(error: BaseException) -> None:
    raise AssertionError("nothing should crash") from error


@pytest.fixture
def sigint_stops() -> Iterator[list[Callable[[], None]]]:
    """What the handler of SIGINT calls."""
    calls: list[Callable[[], None]] = []

    def handler(*_: object) -> None:
        for call in calls:
            call()

    before = signal.signal(signal.SIGINT, handler)
    yield calls
    signal.signal(signal.SIGINT, before)


def test_actions_run_in_order_on_the_thread_that_calls_run() -> None:
    loop = LoopScheduler()
    ran: list[tuple[int | None, str]] = []
    for number in range(3):
        loop.schedule(lambda _, n: ran.append((n, threading.current_thread().name)), number)
    loop.stop()
    loop.run()
    assert ran == [(number, threading.current_thread().name) for number in range(3)]


def test_stop_lets_the_actions_before_it_run_and_those_after_it_not() -> None:
    loop = LoopScheduler()
    ran: list[str] = []
    loop.schedule(note(ran, "before"))
    loop.stop()
    loop.stop()
    loop.schedule(note(ran, "after"))
    loop.run()
    loop.schedule(note(ran, "later"))
    assert ran == ["before"]


def test_an_action_can_stop_the_loop_that_runs_it() -> None:
    # EventLoopScheduler parks its thread for ever in this case.
    loop = LoopScheduler()
    loop.schedule(lambda *_: loop.stop())
    loop.run()


def test_a_loop_that_schedules_itself_again_and_again_can_still_be_stopped() -> None:
    loop = LoopScheduler()

    def again(*_: object) -> None:
        loop.schedule(again)

    loop.schedule(again)
    loop.schedule(lambda *_: loop.stop())
    loop.run()


def test_an_action_from_another_thread_wakes_a_sleeping_loop() -> None:
    loop = ThreadLoop("sleeper", ignore)
    ran = threading.Event()
    for _ in range(100):
        ran.clear()
        loop.schedule(lambda *_: ran.set())
        assert ran.wait(JOIN)
    loop.stop()
    assert loop.join(JOIN)


def test_timers_run_in_the_order_of_their_times_however_they_were_given() -> None:
    loop = LoopScheduler()
    ran: list[str] = []
    end = loop.now + timedelta(seconds=0.02)  # a busy machine runs them after that: in order
    loop.schedule_absolute(end + timedelta(seconds=0.01), lambda *_: loop.stop())
    loop.schedule_absolute(end, note(ran, "third"))
    loop.schedule_absolute(end - timedelta(seconds=0.01), note(ran, "second"))
    loop.schedule_relative(-5, note(ran, "first"))
    loop.run()
    assert ran == ["first", "second", "third"]


def test_timers_that_are_all_due_run_in_the_order_of_their_times() -> None:
    loop = LoopScheduler()
    ran: list[str] = []
    now = loop.now  # far apart, so that a pause of this thread does not change their order
    loop.schedule_absolute(now + timedelta(seconds=0.1), note(ran, "second"))
    loop.schedule_absolute(now, note(ran, "first"))
    loop.schedule_relative(0.2, lambda *_: loop.stop())
    due = time.monotonic() + 0.3
    while time.monotonic() < due:
        pass
    loop.run()
    assert ran == ["first", "second"]


def test_a_disposed_action_does_not_run_and_what_it_had_started_is_disposed() -> None:
    loop = LoopScheduler()
    ran: list[str] = []
    loop.schedule(note(ran, "cancelled")).dispose()
    loop.schedule_relative(0.001, note(ran, "cancelled, too")).dispose()
    started = loop.schedule(lambda scheduler, _: scheduler.schedule(note(ran, "inner")))
    loop.schedule(lambda *_: started.dispose())
    loop.schedule_relative(0.01, lambda *_: loop.stop())
    loop.run()
    # The inner action stood behind the one that disposed its origin.
    assert ran == []


def test_an_action_that_disposes_itself_disposes_what_it_returns() -> None:
    loop = LoopScheduler()
    ran: list[str] = []

    def action(scheduler: Any, _: object) -> Any:
        itself.dispose()
        return scheduler.schedule(note(ran, "inner"))

    itself = loop.schedule(action)
    loop.schedule(lambda *_: loop.stop())
    loop.run()
    assert ran == []


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), SystemExit(3)])
def test_what_an_action_raises_ends_run_and_is_raised_there(error: BaseException) -> None:
    loop = LoopScheduler()
    loop.fail(error)
    with pytest.raises(type(error)) as raised:
        loop.run()
    assert raised.value is error


def test_a_loop_runs_once() -> None:
    loop = LoopScheduler()
    loop.stop()
    loop.run()
    with pytest.raises(RuntimeError, match=r"^a loop runs once, on one thread$"):
        loop.run()


@pytest.mark.parametrize("fails", [False, True])
def test_end_callbacks_are_called_on_the_loops_thread_unless_they_are_cancelled(
    fails: bool,
) -> None:
    loop = LoopScheduler()
    called: list[str] = []

    def close(name: str) -> None:
        called.append(name)
        raise OSError(f"cannot close {name}")

    def action(*_: object) -> None:
        loop.on_end(lambda: called.append(threading.current_thread().name))
        loop.on_end(lambda: close("file"))
        loop.on_end(lambda: called.append("taken back")).dispose()
        if fails:
            raise ValueError("bad")

    loop.schedule(action)
    loop.stop()
    with pytest.raises(OSError, match=r"^cannot close file$") as raised:
        loop.run()
    assert sorted(called) == sorted([threading.current_thread().name, "file"])
    assert repr(raised.value.__context__) == ("ValueError('bad')" if fails else "None")


def test_a_crash_of_a_thread_is_kept_and_raised_by_the_callers_run() -> None:
    # reactivex's own event loop dies silently here.
    deliver = LoopScheduler()
    source = ThreadLoop("source", deliver.fail)
    source.fail(ValueError("bad"))
    with pytest.raises(ValueError, match=r"^bad$") as raised:
        deliver.run()
    assert source.join(JOIN)
    assert source.error is raised.value


def test_the_thread_has_the_name_and_does_not_keep_the_process_alive() -> None:
    loop = ThreadLoop("flowrun source", ignore)
    (thread,) = [t for t in threading.enumerate() if t.name == "flowrun source"]
    assert thread.daemon
    assert not loop.join(0.0)
    loop.stop()
    assert loop.join(JOIN)
    assert thread not in threading.enumerate()


def wait_for_an_action(loop: LoopScheduler) -> weakref.ref[threading.Condition]:
    condition = threading.Condition(threading.Lock())
    done: list[int] = []

    def action(*_: object) -> None:
        with condition:
            done.append(1)
            condition.notify_all()

    loop.schedule(action)
    assert loop.wait_for(condition, lambda: bool(done)) is True
    return weakref.ref(condition)


def test_a_waiting_thread_is_released_when_an_action_makes_its_condition_true() -> None:
    loop = ThreadLoop("other", ignore)
    waited = wait_for_an_action(loop)
    loop.stop()
    assert loop.join(JOIN)
    gc.collect()
    assert waited() is None


@pytest.mark.parametrize("end", [LoopScheduler.stop, lambda loop: loop.fail(ValueError("bad"))])
def test_a_waiting_thread_is_released_when_the_loop_ends(
    end: Callable[[LoopScheduler], None],
) -> None:
    crashes: list[BaseException] = []
    loop = ThreadLoop("other", crashes.append)
    condition = threading.Condition(threading.Lock())
    asked = threading.Event()
    answers: list[bool] = []

    def predicate() -> bool:
        asked.set()
        return False

    waiter = threading.Thread(
        target=lambda: answers.append(loop.wait_for(condition, predicate)), name="waiter"
    )
    waiter.start()
    assert asked.wait(JOIN)
    end(loop)
    waiter.join(JOIN)
    assert answers == [False]
    assert loop.join(JOIN)
    assert loop.wait_for(condition, lambda: False) is False


def test_a_loop_that_would_wait_for_itself_raises_instead_of_hanging() -> None:
    loop = LoopScheduler()
    condition = threading.Condition()

    def wait(*_: object) -> None:
        loop.wait_for(condition, lambda: False)

    loop.schedule(wait)
    with pytest.raises(RuntimeError) as raised:
        loop.run()
    assert str(raised.value) == ("a loop cannot wait for itself: give each side its own scheduler")


def test_a_signal_that_another_thread_caught_is_handled_while_the_main_thread_sleeps(
    sigint_stops: list[Callable[[], None]],
) -> None:
    loop = LoopScheduler()
    sigint_stops.append(loop.stop)
    killer = threading.Thread(target=signal.raise_signal, args=(signal.SIGINT,))
    loop.schedule(lambda *_: killer.start())
    loop.run()
    killer.join(JOIN)


def test_a_signal_is_handled_while_the_main_thread_waits_for_another_loop(
    sigint_stops: list[Callable[[], None]],
) -> None:
    loop = ThreadLoop("writer", ignore)
    sigint_stops.append(loop.stop)
    loop.schedule(lambda *_: signal.raise_signal(signal.SIGINT))
    assert loop.wait_for(threading.Condition(threading.Lock()), lambda: False) is False
    assert loop.join(JOIN)


def test_a_signal_handler_may_schedule_at_any_moment_of_the_loop(
    sigint_stops: list[Callable[[], None]],
) -> None:
    # The handler interrupts the serving thread itself, also inside of `schedule`.
    loop = LoopScheduler()
    handled: list[int] = []

    def post() -> None:
        loop.schedule(note(handled, 1))

    sigint_stops.append(post)

    def interrupt(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    for _ in range(200):
        loop.schedule(interrupt)
    loop.schedule(lambda *_: loop.schedule(lambda *_: loop.stop()))
    loop.run()
    assert len(handled) == 200


def test_a_thousand_thread_loops_leave_no_thread_behind() -> None:
    before = set(threading.enumerate())
    for _ in range(1000):
        loop = ThreadLoop("short", ignore)
        loop.stop()
        assert loop.join(JOIN)
    gc.collect()
    assert set(threading.enumerate()) == before
