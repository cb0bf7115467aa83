"""Send the same values to several branches."""

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
    """Send every value to each of the branches, one after the other, and merge their output, each
    value on the branch's own thread.

    Completes when all branches have completed. Upstream's error, like its completion, is emitted
    after the values that the branches still hold. An error of a branch goes downstream at once and
    ends the other branches.
    """
    if len(branches) == 1:
        return branches[0]

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(
            observer: abc.ObserverBase[R], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            values: Subject[T] = Subject()
            merge = _Merge(observer, len(branches))
            subscriptions = CompositeDisposable()
            for branch in branches:
                out = branch(values)
                subscriptions.add(out.subscribe(merge.on_next, merge.on_error, merge.on_completed))

            def failed(error: Exception) -> None:
                merge.upstream = error
                values.on_error(error)

            subscriptions.add(
                source.subscribe(values.on_next, failed, values.on_completed, scheduler=scheduler)
            )
            return subscriptions

        return Observable(subscribe)

    return operator


class _Merge(Generic[R]):
    """Merge the notifications of the branches."""

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
