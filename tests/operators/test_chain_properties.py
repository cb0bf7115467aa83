"""The guarantees hold for any sizes, speeds, failures and time of the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import Observable

from flowrun.operators.bounded import WhenFull, bounded
from flowrun.operators.filter_map import filter_map
from flowrun.operators.in_flight import in_flight
from flowrun.operators.outcome import Outcome
from flowrun.operators.pull import pull
from tests.testbed.virtual_time import VirtualTime

Fault = Literal["source", "close", "preprocess", "postprocess", "sink", "on_drop"]
FAULTS: tuple[Fault, ...] = ("source", "close", "preprocess", "postprocess", "sink", "on_drop")
How = Literal["value", "at once", "error", "cancelled", "refused", "filtered", "filtered later"]
HOWS: tuple[How, ...] = (
    "value", "at once", "error", "cancelled", "refused", "filtered", "filtered later"
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    pause: int  # of the source before the next item
    work: int  # of preprocessing
    latency: int  # of the answer
    write: int  # of the sink
    how: How


ticks = st.sampled_from([0, 0, 1, 2, 5])
items = st.lists(
    st.builds(Item, ticks, ticks, st.integers(0, 12), ticks, st.sampled_from(HOWS)), max_size=25
)


class BrokenError(Exception):
    pass


class Story:
    """Runs a chain over `plan` and checks its bounds at every step."""

    def __init__(
        self,
        plan: list[Item],
        capacity: int,
        limit: int,
        when_full: WhenFull,
        fault: tuple[Fault, int] | None,
    ) -> None:
        self.virtual = VirtualTime()
        self.plan, self.capacity, self.limit, self.when_full = plan, capacity, limit, when_full
        self.fault = fault
        self.read: list[int] = []
        self.dropped: list[int] = []
        self.entered: list[int] = []  # preprocessing
        self.submitted: list[int] = []
        self.left: list[int] = []  # downstream of the window has returned
        self.filtered: list[int] = []
        self.writing: list[int] = []
        self.closed = 0

    def fails(self, where: Fault, item: int) -> None:
        if self.fault == (where, item):
            raise BrokenError(f"{where} {item}")

    def __iter__(self) -> Iterator[int]:
        try:
            for number, item in enumerate(self.plan):
                self.fails("source", number)
                self.read.append(number)
                queued = len(self.read) - len(self.entered) - len(self.dropped)
                # A buffer that drops makes room for what is already read.
                assert queued <= self.capacity + (self.when_full == "drop_oldest")
                yield number
                self.virtual.spend(item.pause)
        finally:
            self.closed += 1
            self.fails("close", len(self.read))

    def drop(self, item: int) -> None:
        self.fails("on_drop", item)
        self.dropped.append(item)

    def preprocess(self, item: int) -> int | None:
        self.entered.append(item)
        self.fails("preprocess", item)
        self.virtual.spend(self.plan[item].work)
        if self.plan[item].how == "filtered":
            self.filtered.append(item)
            return None
        return item

    def submit(self, item: int) -> Future[int]:
        self.submitted.append(item)
        assert len(self.submitted) - len(self.left) <= self.limit
        plan = self.plan[item]
        future: Future[int] = Future()
        if plan.how == "refused":
            raise BrokenError(f"refused {item}")
        if plan.how == "at once":
            future.set_result(item)
        else:
            self.virtual.after(plan.latency, lambda: self.answer(future, item))
        return future

    def answer(self, future: Future[int], item: int) -> None:
        if self.plan[item].how == "cancelled":
            future.cancel()
        elif not future.set_running_or_notify_cancel():
            return
        elif self.plan[item].how == "error":
            future.set_exception(BrokenError(f"error {item}"))
        else:
            future.set_result(item)

    def postprocess(self, outcome: Outcome[int, int]) -> int | None:
        item = outcome.item
        self.fails("postprocess", item)
        assert (outcome.error is None) == (
            self.plan[item].how not in ("error", "cancelled", "refused")
        )
        if self.plan[item].how == "filtered later":
            self.filtered.append(item)
            return None
        return item

    def write(self, item: int) -> None:
        self.fails("sink", item)
        self.virtual.spend(self.plan[item].write)

    def note_left(self, source: Any) -> Any:
        """Right behind the window: notes when downstream has returned."""

        def subscribe(observer: Any, scheduler: Any = None) -> Any:
            def on_next(outcome: Outcome[int, int]) -> None:
                observer.on_next(outcome)
                self.left.append(outcome.item)

            return source.subscribe(on_next, observer.on_error, observer.on_completed)

        return Observable(subscribe)

    def chain(self) -> Any:
        source, preprocess, deliver = map(self.virtual.loop, ("source", "preprocess", "deliver"))
        return pull(self, source).pipe(
            bounded(self.capacity, self.when_full, preprocess, self.drop),
            filter_map(self.preprocess),
            in_flight(self.submit, self.limit, deliver),
            self.note_left,
            filter_map(self.postprocess),
        )


sizes = st.integers(1, 5)
stories = st.builds(
    Story,
    plan=items,
    capacity=sizes,
    limit=sizes,
    when_full=st.sampled_from(["block", "drop_oldest"]),
    fault=st.none() | st.tuples(st.sampled_from(FAULTS), st.integers(0, 25)),
)


def check_order_and_fates(story: Story, watched: Any) -> None:
    emitted = watched.values
    assert watched.violations == []
    assert emitted == sorted(set(emitted))
    fates = [*emitted, *story.dropped, *story.filtered]
    assert len(set(fates)) == len(fates)  # never two
    assert set(fates) <= set(story.read)
    assert not isinstance(watched.error, AssertionError), watched.error


@settings(max_examples=4 * settings().max_examples)
@given(story=stories)
def test_every_chain_ends_with_one_fate_for_each_item(watch: Any, story: Story) -> None:
    watched = watch(story.chain(), story.write)
    story.virtual.run()
    check_order_and_fates(story, watched)
    assert story.virtual.waiting == []
    assert watched.completed != (watched.error is not None)
    assert story.closed == 1
    fates = {*watched.values, *story.dropped, *story.filtered}
    if watched.error is None:
        assert fates == set(range(len(story.plan)))
        assert story.left == story.submitted
    else:
        assert story.fault is not None
        where, item = story.fault
        assert repr(watched.error) == f"BrokenError('{where} {item}')"
        if where in ("source", "close"):
            assert fates == set(story.read)  # the error follows the values before it


@settings(max_examples=4 * settings().max_examples)
@given(story=stories, steps=st.integers(0, 150))
def test_dispose_at_any_moment_is_the_end_of_everything(
    watch: Any, story: Story, steps: int
) -> None:
    watched = watch(story.chain(), story.write)
    for _ in range(steps):
        story.virtual.step()
    seen = list(watched.values), watched.error, watched.completed
    read = list(story.read)
    watched.dispose()
    if steps and not story.closed and story.fault == ("close", len(read)):
        # There is no subscriber any more, so the caller of the loop gets the error.
        with pytest.raises(BrokenError, match=rf"^close {len(read)}$"):
            story.virtual.run()
    story.virtual.run()
    check_order_and_fates(story, watched)
    assert (watched.values, watched.error, watched.completed) == seen
    assert story.read == read
    assert story.virtual.waiting == []
    assert story.closed == (steps > 0)


@settings(max_examples=2 * settings().max_examples)
@given(
    story=stories,
    at=st.integers(0, 24),
    where=st.sampled_from(["preprocess", "submit", "postprocess", "sink"]),
)
def test_dispose_from_inside_any_stage_is_the_end_of_everything(
    watch: Any, story: Story, at: int, where: str
) -> None:
    story.fault = None
    after: list[str] = []
    watched: Any = None

    def disposing(fn: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
        def call(value: Any) -> Any:
            if watched.disposed:
                after.append(name)
            if name == where and at == (value.item if isinstance(value, Outcome) else value):
                watched.dispose()
            return fn(value)

        return call

    for name in ("preprocess", "submit", "postprocess"):
        setattr(story, name, disposing(getattr(story, name), name))
    watched = watch(story.chain(), disposing(story.write, "sink"))
    story.virtual.run()
    check_order_and_fates(story, watched)
    assert story.virtual.waiting == []
    assert story.closed == 1
    assert watched.disposed or watched.completed
    assert after == []
