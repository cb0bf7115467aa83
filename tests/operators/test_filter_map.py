from __future__ import annotations

from typing import Any

import reactivex
from reactivex import Observable, abc
from reactivex.subject import Subject

from flowrun.operators.filter_map import filter_map


def test_values_are_mapped_and_none_is_dropped(watch: Any) -> None:
    def half(n: int) -> int | None:
        return n // 2 if n % 2 == 0 else None

    watched = watch(reactivex.of(0, 1, 2, 3, 4).pipe(filter_map(half)))
    assert (watched.values, watched.completed) == ([0, 1, 2], True)


def test_an_error_of_the_function_goes_downstream_and_disposes_upstream(watch: Any) -> None:
    def invert(n: int) -> int:
        return 1 // n

    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(filter_map(invert)))
    subject.on_next(1)
    subject.on_next(0)
    subject.on_next(1)
    assert watched.values == [1]
    assert isinstance(watched.error, ZeroDivisionError)
    assert not subject.observers


def test_the_function_is_not_called_again_after_it_failed_while_subscribing(watch: Any) -> None:
    calls: list[int] = []

    def emit_at_once(
        observer: abc.ObserverBase[int], _: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        observer.on_next(1)
        observer.on_next(2)
        return reactivex.disposable.Disposable()

    def fail(value: int) -> int:
        calls.append(value)
        raise ValueError("bad")

    watched = watch(Observable(emit_at_once).pipe(filter_map(fail)))
    assert (calls, repr(watched.error)) == ([1], "ValueError('bad')")


def test_an_error_from_upstream_passes(watch: Any) -> None:
    error = ValueError("bad")
    assert watch(reactivex.throw(error).pipe(filter_map(str))).error is error
