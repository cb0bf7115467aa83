from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from reactivex import operators as ops

from flowrun.operators.loop import LoopScheduler, ThreadLoop
from flowrun.operators.pull import pull
from tests.testbed.virtual_time import VirtualTime

JOIN = 20.0


class Numbers:
    """Counts up to `end`, then stops or raises; knows what was asked of it, and by whom."""

    def __init__(self, end: int, error: Exception | None = None) -> None:
        self.asked = 0
        self.closed: list[str] = []
        self.threads: set[str] = set()
        self._end = end
        self._error = error

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self.threads.add(threading.current_thread().name)
        if self.asked == self._end:
            raise self._error or StopIteration
        self.asked += 1
        return self.asked - 1

    def close(self) -> None:
        self.closed.append(threading.current_thread().name)


def test_an_empty_iterable_completes_and_nothing_raises(watch: Any) -> None:
    # Observable.run() raises SequenceContainsNoElementsError here.
    loop = LoopScheduler()
    watched = watch(pull([], loop).pipe(ops.do_action(on_completed=loop.stop)))
    loop.run()
    assert (watched.values, watched.completed) == ([], True)


def test_the_next_item_is_requested_after_on_next_has_returned(
    virtual: VirtualTime, watch: Any
) -> None:
    numbers = Numbers(4)
    asked: list[int] = []
    watch(pull(numbers, virtual.loop("source")), lambda value: asked.append(numbers.asked))
    virtual.run()
    assert asked == [1, 2, 3, 4]


def test_one_action_gives_one_item(virtual: VirtualTime, watch: Any) -> None:
    watched = watch(pull(Numbers(3), virtual.loop("source")))
    seen = [len(watched.values)]
    while virtual.step():
        seen.append(len(watched.values))
    assert seen == [0, 1, 2, 3, 3]


def test_nothing_is_opened_until_the_scheduler_runs(virtual: VirtualTime, watch: Any) -> None:
    opened: list[int] = []

    class Lazy:
        def __iter__(self) -> Iterator[int]:
            opened.append(1)
            return iter([1, 2])

    watched = watch(pull(Lazy(), virtual.loop("source")))
    assert opened == []
    virtual.run()
    assert (opened, watched.values) == ([1], [1, 2])


def test_the_iterator_is_closed_after_the_end_and_before_completion(
    virtual: VirtualTime, watch: Any
) -> None:
    numbers = Numbers(2)
    closed: list[int] = []
    chain = pull(numbers, virtual.loop("source"))
    watched = watch(
        chain.pipe(ops.do_action(on_completed=lambda: closed.extend([1] * len(numbers.closed))))
    )
    virtual.run()
    assert (watched.values, watched.completed, closed) == ([0, 1], True, [1])


def test_an_error_of_the_iterator_follows_the_values_before_it(
    virtual: VirtualTime, watch: Any
) -> None:
    error = ValueError("torn")
    numbers = Numbers(2, error)
    watched = watch(pull(numbers, virtual.loop("source")))
    virtual.run()
    assert (watched.values, watched.error, len(numbers.closed)) == ([0, 1], error, 1)


def test_an_iterable_that_cannot_be_iterated_is_an_error(virtual: VirtualTime, watch: Any) -> None:
    class Broken:
        def __iter__(self) -> Iterator[int]:
            raise OSError("no such file")

    watched = watch(pull(Broken(), virtual.loop("source")))
    virtual.run()
    assert repr(watched.error) == "OSError('no such file')"


def test_an_error_of_the_consumer_closes_the_iterator_and_goes_to_on_error(
    virtual: VirtualTime, watch: Any
) -> None:
    def act(value: int) -> None:
        if value == 1:
            raise ValueError("sink is full")

    numbers = Numbers(5)
    watched = watch(pull(numbers, virtual.loop("source")), act)
    virtual.run()
    assert (watched.values, repr(watched.error)) == ([0, 1], "ValueError('sink is full')")
    assert (numbers.asked, len(numbers.closed)) == (2, 1)


def test_a_failing_close_is_the_error_at_the_end(virtual: VirtualTime, watch: Any) -> None:
    class Sticky(Numbers):
        def close(self) -> None:
            raise OSError("cannot close")

    watched = watch(pull(Sticky(1), virtual.loop("source")))
    virtual.run()
    assert (watched.values, repr(watched.error)) == ([0], "OSError('cannot close')")


def test_a_failing_close_does_not_hide_the_first_error(virtual: VirtualTime, watch: Any) -> None:
    class Sticky(Numbers):
        def close(self) -> None:
            raise OSError("cannot close")

    watched = watch(pull(Sticky(0, ValueError("torn")), virtual.loop("source")))
    with pytest.raises(OSError, match=r"^cannot close$"):
        virtual.run()
    assert repr(watched.error) == "ValueError('torn')"


def test_an_interrupt_closes_the_iterator_and_ends_the_loop(watch: Any) -> None:
    def act(value: int) -> None:
        raise KeyboardInterrupt

    numbers = Numbers(5)
    loop = LoopScheduler()
    watch(pull(numbers, loop), act)
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert len(numbers.closed) == 1


def test_without_on_error_an_error_propagates_to_the_caller_of_the_loop(
    virtual: VirtualTime,
) -> None:
    pull(Numbers(1, ValueError("torn")), virtual.loop("source")).subscribe()
    with pytest.raises(ValueError, match=r"^torn$"):
        virtual.run()


def test_dispose_closes_a_generator_that_is_not_exhausted(virtual: VirtualTime, watch: Any) -> None:
    # reactivex's from_iterable leaves it open.
    closed: list[int] = []

    def numbers() -> Iterator[int]:
        try:
            yield from range(10)
        finally:
            closed.append(1)

    watched = watch(pull(numbers(), virtual.loop("source")).pipe(ops.take(2)))
    virtual.run()
    assert (watched.values, watched.completed, closed) == ([0, 1], True, [1])


def test_dispose_before_the_first_item_opens_nothing(virtual: VirtualTime, watch: Any) -> None:
    numbers = Numbers(3)
    watch(pull(numbers, virtual.loop("source"))).dispose()
    virtual.run()
    assert (numbers.asked, numbers.closed) == (0, [])


def test_dispose_between_two_items_closes_without_asking_again(
    virtual: VirtualTime, watch: Any
) -> None:
    numbers = Numbers(3)
    watched = watch(pull(numbers, virtual.loop("source")))
    virtual.step()
    watched.dispose()
    virtual.run()
    assert (watched.values, numbers.asked, len(numbers.closed)) == ([0], 1, 1)
    assert not watched.completed


def test_an_iterator_is_closed_when_the_loop_ends_without_a_dispose(watch: Any) -> None:
    loop = LoopScheduler()
    numbers = Numbers(10)
    watched = watch(
        pull(numbers, loop), lambda value: loop.fail(OSError("elsewhere")) if value == 4 else None
    )
    with pytest.raises(OSError, match=r"^elsewhere$"):
        loop.run()
    assert (watched.values, len(numbers.closed)) == ([0, 1, 2, 3, 4], 1)


def test_a_loop_keeps_no_reference_to_a_source_that_has_ended(watch: Any) -> None:
    loop = LoopScheduler()
    numbers = Numbers(3)
    alive = weakref.ref(numbers)
    ended = watch(pull(numbers, loop)).ended
    del numbers
    gone: list[bool] = []

    def check(*_: object) -> None:
        if not ended.is_set():
            loop.schedule(check)
            return
        gc.collect()
        gone.append(alive() is None)
        loop.stop()

    loop.schedule(check)
    loop.run()
    assert gone == [True]


def test_a_stop_right_after_dispose_does_not_leave_the_iterator_open(watch: Any) -> None:
    watched: Any = None

    class Interrupted(LoopScheduler):
        """Another thread disposes and stops just when the next step is about to be scheduled."""

        steps = 0

        def schedule(self, action: Any, state: Any = None) -> Any:
            self.steps += 1
            if self.steps == 3:
                watched.dispose()
                self.stop()
            return super().schedule(action, state)

    loop = Interrupted()
    numbers = Numbers(10)
    watched = watch(pull(numbers, loop))
    loop.run()
    assert (watched.values, len(numbers.closed)) == ([0, 1], 1)


def test_all_items_and_the_close_are_on_the_one_thread_of_the_scheduler(watch: Any) -> None:
    # NewThreadScheduler makes a thread for each item.
    deliver = LoopScheduler()
    source = ThreadLoop("source", deliver.fail)
    numbers = Numbers(100)
    watched = watch(pull(numbers, source))
    assert watched.ended.wait(JOIN)
    source.stop()
    assert source.join(JOIN)
    assert (numbers.threads, watched.threads, numbers.closed) == (
        {"source"},
        {"source"},
        ["source"],
    )


@pytest.mark.parametrize("leave", [StopIteration, ValueError])
def test_dispose_does_not_wait_for_a_blocked_iterator_and_discards_what_it_brings(
    watch: Any, leave: Callable[[], Exception]
) -> None:
    deliver = LoopScheduler()
    source = ThreadLoop("source", deliver.fail)
    blocked, release = threading.Event(), threading.Event()

    class Blocked(Numbers):
        def __next__(self) -> int:
            if self.asked == 1:
                blocked.set()
                release.wait(JOIN)
                raise leave()
            return super().__next__()

    numbers = Blocked(10)
    watched = watch(pull(numbers, source))
    assert blocked.wait(JOIN)
    watched.dispose()
    source.stop()
    release.set()
    assert source.join(JOIN)
    assert (watched.values, watched.error, watched.completed) == ([0], None, False)
    assert (numbers.closed, source.error) == (["source"], None)
