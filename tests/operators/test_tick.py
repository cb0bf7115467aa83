"""A function is called at intervals, only as long as the stream runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reactivex.subject import Subject

from flowrun.operators.tick import tick
from tests.testbed.virtual_time import VirtualTime


class Acts:
    """When `act` was called; it may take its time, or raise."""

    def __init__(self, virtual: VirtualTime, takes: float = 0.0, fails_at: int = -1) -> None:
        self.virtual, self.takes, self.fails_at = virtual, takes, fails_at
        self.at: list[float] = []

    def __call__(self) -> None:
        self.at.append(self.virtual.now)
        self.virtual.spend(self.takes)
        if len(self.at) == self.fails_at:
            raise ValueError("window is closed")


def started(virtual: VirtualTime, watch: Any, acts: Acts, every: float = 0.5) -> Any:
    subject: Subject[int] = Subject()
    return subject, watch(subject.pipe(tick(acts, every, virtual.loop("sink"))))


def test_it_acts_again_and_again_while_no_values_come(virtual: VirtualTime, watch: Any) -> None:
    acts = Acts(virtual)
    _, watched = started(virtual, watch, acts)
    virtual.run(until=2.2)
    assert acts.at == [0.5, 1.0, 1.5, 2.0]
    assert (watched.values, watched.completed, watched.error) == ([], False, None)


def test_values_pass_at_once_and_change_nothing(virtual: VirtualTime, watch: Any) -> None:
    acts = Acts(virtual)
    subject, watched = started(virtual, watch, acts)
    for n in range(1, 11):
        virtual.run(until=n / 10)
        subject.on_next(n)
        assert watched.values[-1] == n
    assert acts.at == [0.5, 1.0]


def test_the_next_time_counts_from_the_return(virtual: VirtualTime, watch: Any) -> None:
    acts = Acts(virtual, takes=2.0)
    started(virtual, watch, acts)
    virtual.run(until=7.4)
    # Virtual time lets an action's effects be there at once: the next is due during the 2 s.
    assert acts.at == [0.5, 2.5, 4.5, 6.5]


@pytest.mark.parametrize("error", [None, ValueError("torn")])
def test_it_stops_when_the_values_end(virtual: VirtualTime, watch: Any, error: Any) -> None:
    acts = Acts(virtual)
    subject, watched = started(virtual, watch, acts)
    virtual.run(until=0.7)
    subject.on_completed() if error is None else subject.on_error(error)
    virtual.run()  # would never return
    assert acts.at == [0.5]
    assert (watched.completed, watched.error) == (error is None, error)
    assert watched.violations == []


def test_it_stops_when_it_is_disposed(virtual: VirtualTime, watch: Any) -> None:
    acts = Acts(virtual)
    subject, watched = started(virtual, watch, acts)
    virtual.run(until=0.7)
    watched.dispose()
    virtual.run()
    assert acts.at == [0.5]
    assert subject.observers == []


def test_an_error_of_the_function_goes_downstream_and_ends_the_stream(
    virtual: VirtualTime, watch: Any
) -> None:
    acts = Acts(virtual, fails_at=2)
    subject, watched = started(virtual, watch, acts)
    subject.on_next(1)
    virtual.run()
    subject.on_next(2)
    assert acts.at == [0.5, 1.0]
    assert (watched.values, repr(watched.error)) == ([1], "ValueError('window is closed')")
    assert subject.observers == []
    assert watched.violations == []


@pytest.mark.parametrize("way", ["dispose", "complete", "dispose and fail", "complete and fail"])
def test_it_may_end_the_values_itself(virtual: VirtualTime, watch: Any, way: str) -> None:
    calls: list[float] = []

    def act() -> None:
        calls.append(virtual.now)
        watched.dispose() if "dispose" in way else subject.on_completed()
        if "fail" in way:
            raise ValueError("too late")

    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(tick(act, 0.5, virtual.loop("sink"))))
    virtual.run()
    assert calls == [0.5]
    assert watched.completed == ("complete" in way)
    assert (watched.error, watched.violations) == (None, [])


def test_a_stream_that_completes_at_once_is_never_called(virtual: VirtualTime, watch: Any) -> None:
    subject: Subject[int] = Subject()
    subject.on_completed()
    acts = Acts(virtual)
    watched = watch(subject.pipe(tick(acts, 0.5, virtual.loop("sink"))))
    virtual.run()
    assert (acts.at, watched.completed) == ([], True)


@given(every=st.floats(0.01, 5), values=st.lists(st.floats(0, 10), max_size=20))
def test_it_acts_as_often_as_time_passes_however_the_values_come(
    watch: Any, every: float, values: list[float]
) -> None:
    virtual = VirtualTime()
    acts = Acts(virtual)
    subject, watched = started(virtual, watch, acts, every)
    for n, at in enumerate(sorted(values)):
        virtual.run(until=at)
        subject.on_next(n)
    virtual.run(until=10.0)
    subject.on_completed()
    virtual.run()
    assert watched.values == list(range(len(values)))
    assert acts.at == pytest.approx([every * n for n in range(1, len(acts.at) + 1)])
    assert len(acts.at) == pytest.approx(10.0 / every, abs=1)
