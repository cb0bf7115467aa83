"""An iterable as an observable that never runs ahead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Generic, TypeVar

from reactivex import Observable, abc

T = TypeVar("T")
_END: Final = object()


def pull(iterable: Iterable[T], scheduler: abc.SchedulerBase) -> Observable[T]:
    """The items of `iterable`, the next one asked for only after `on_next` has returned.

    Everything happens in actions of `scheduler`, one per item: `iter`, `next`, the notifications
    and the iterator's `close()`, if it has one. It is closed after its end, after an error (its
    own or one raised by `on_next`; both go to `on_error`) and after dispose, before the last
    notification. Dispose only leaves word, from any thread: an iterator that is blocked is not
    interrupted, and what it still yields or raises is discarded. Stop the scheduler after
    disposing, never before, or the iterator stays open.
    """

    def subscribe(
        observer: abc.ObserverBase[T], _: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        pulling = _Pulling(iterable, scheduler, observer)
        scheduler.schedule(pulling.step)
        return pulling

    return Observable(subscribe)


class _Pulling(abc.DisposableBase, Generic[T]):
    """One subscription. Only actions of the scheduler touch the iterator."""

    def __init__(
        self, iterable: Iterable[T], scheduler: abc.SchedulerBase, observer: abc.ObserverBase[T]
    ) -> None:
        self._iterable = iterable
        self._iterator: Iterator[T] | None = None
        self._scheduler = scheduler
        self._observer = observer
        self._ended = False

    def step(self, _: abc.SchedulerBase, __: object = None) -> None:
        if self._ended:
            return
        try:
            if self._iterator is None:
                self._iterator = iter(self._iterable)
            item = next(self._iterator, _END)
            if item is not _END and not self._ended:
                self._observer.on_next(item)  # type: ignore[arg-type]
        except Exception as error:
            try:
                self._close()
            finally:
                self._observer.on_error(error)
            return
        except BaseException:
            self._close()
            raise
        if item is _END:
            self._complete()
        elif not self._ended:
            self._scheduler.schedule(self.step)

    def dispose(self) -> None:
        if self._ended:
            return
        self._ended = True
        # Not left to the step: it may be about to schedule the next one, behind a `stop`.
        self._scheduler.schedule(self._close_in_turn)

    def _complete(self) -> None:
        try:
            self._close()
        except Exception as error:
            self._observer.on_error(error)
        else:
            self._observer.on_completed()

    def _close_in_turn(self, _: abc.SchedulerBase, __: object = None) -> None:
        self._close()

    def _close(self) -> None:
        self._ended = True
        iterator, self._iterator = self._iterator, None
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
