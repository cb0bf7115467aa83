from __future__ import annotations

from typing import Any

import reactivex
from reactivex import operators as ops
from reactivex.subject import Subject

from flowrun.operators.mark_last import mark_last


def negative(value: int) -> int:
    return -value


def test_the_last_value_is_marked(watch: Any) -> None:
    watched = watch(reactivex.of(1, 2, 3).pipe(mark_last(negative)))
    assert (watched.values, watched.completed) == ([1, 2, -3], True)


def test_nothing_is_marked_if_there_is_no_value(watch: Any) -> None:
    watched = watch(reactivex.empty().pipe(mark_last(negative)))
    assert (watched.values, watched.completed) == ([], True)


def test_each_value_is_emitted_when_the_next_one_arrives(watch: Any) -> None:
    subject: Subject[int] = Subject()
    watched = watch(subject.pipe(mark_last(negative)))
    subject.on_next(1)
    assert watched.values == []
    subject.on_next(2)
    assert watched.values == [1]


def test_the_value_before_an_error_is_the_last_one(watch: Any) -> None:
    error = ValueError("bad")
    watched = watch(
        reactivex.of(1, 2).pipe(ops.concat(reactivex.throw(error)), mark_last(negative))
    )
    assert watched.values == [1, -2]
    assert watched.error is error
