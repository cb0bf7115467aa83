"""Turn an iterable into an observable, pulling one item at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable

from flowrun.operators.scheduler import WaitableScheduler

T = TypeVar("T")
_END: Final = object()


def pull(iterable: Iterable[T], scheduler: WaitableScheduler) -> Observable[T]:
    """Emit the items of `iterable`; the next one is requested only after `on_next` has returned.

    Everything happens in actions of `scheduler`, one per item: `iter`, `next`, the notifications
    and the iterator's `close()`, if it has one. The iterator is closed after its end, after an
    error (its own or one raised by `on_next`; both go to `on_error`) and after dispose, before the
    last notification, and at the latest when the scheduler ends. Dispose, from any thread, only
    sets a flag: a blocked iterator is not interrupted, and what it still yields or raises is
    discarded.
    """

    def subscribe(
        observer: abc.ObserverBase[T], _: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        pulling = _Pulling(iterable, scheduler, observer)
        scheduler.schedule(pulling.step)
        return pulling

    return Observable(subscribe)


class _Pulling(abc.DisposableBase, Generic[T]):
    """One subscription. Until the end, exactly one action is running or scheduled."""

    def __init__(
        self, iterable: Iterable[T], scheduler: WaitableScheduler, observer: abc.ObserverBase[T]
    ) -> None:
        self._iterable = iterable
        self._iterator: Iterator[T] | None = None
        self._scheduler = scheduler
        self._observer = observer
        self._disposed = False
        self._at_end: abc.DisposableBase = Disposable()

    def step(self, _: abc.SchedulerBase, __: object = None) -> None:
        if self._disposed:
            self._close()
            return
        try:
            if self._iterator is None:
                self._iterator = iter(self._iterable)
                # The scheduler may be stopped after a dispose, before the next step.
                self._at_end = self._scheduler.on_end(self._close)
            item = next(self._iterator, _END)
            if item is not _END:
                self._observer.on_next(item)  # type: ignore[arg-type]
        except Exception as error:
            try:
                self._close()
            finally:
                self._observer.on_error(error)
            return
        if item is _END:
            self._complete()
        else:
            self._scheduler.schedule(self.step)

    def dispose(self) -> None:
        self._disposed = True  # the next step sees it, and closes

    def _complete(self) -> None:
        try:
            self._close()
        except Exception as error:
            self._observer.on_error(error)
        else:
            self._observer.on_completed()

    def _close(self) -> None:
        self._at_end.dispose()
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
