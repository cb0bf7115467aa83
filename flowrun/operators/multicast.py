"""The same values down several branches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from reactivex import Observable, Subject, abc
from reactivex.disposable import CompositeDisposable

T = TypeVar("T")
R = TypeVar("R")
Branch = Callable[[Observable[T]], Observable[R]]


def multicast(*branches: Branch[T, R]) -> Callable[[Observable[T]], Observable[R]]:
    """Every value into every branch, one after the other; what comes out of any of them, on the
    thread that brings it.

    Over when all branches are: an error of upstream's follows, as its completion does, what the
    branches still hold. An error of a branch's own goes downstream at once and ends the others.
    """
    if len(branches) == 1:
        return branches[0]

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(
            observer: abc.ObserverBase[R], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            values: Subject[T] = Subject()
            ends = _Ends(observer, len(branches))
            every = CompositeDisposable()
            for branch in branches:
                out = branch(values)
                every.add(out.subscribe(ends.on_next, ends.on_error, ends.on_completed))

            def failed(error: Exception) -> None:
                ends.upstream = error
                values.on_error(error)

            every.add(
                source.subscribe(values.on_next, failed, values.on_completed, scheduler=scheduler)
            )
            return every

        return Observable(subscribe)

    return operator


class _Ends(Generic[R]):
    """What the branches say, put together."""

    def __init__(self, observer: abc.ObserverBase[R], count: int) -> None:
        self.upstream: Exception | None = None
        self._observer = observer
        self._left = count
        self._lock = threading.RLock()  # downstream is called by one thread at a time

    def on_next(self, value: R) -> None:
        with self._lock:
            self._observer.on_next(value)

    def on_error(self, error: Exception) -> None:
        if error is self.upstream:
            self.on_completed()
            return
        with self._lock:
            self._observer.on_error(error)

    def on_completed(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left:
                return
            if self.upstream is None:
                self._observer.on_completed()
            else:
                self._observer.on_error(self.upstream)
