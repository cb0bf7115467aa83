"""What `bounded` and `in_flight` share: one thread brings values, another takes them on."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import SingleAssignmentDisposable

from flowrun.operators.scheduler import WaitableScheduler

T = TypeVar("T")
R = TypeVar("R")
H = TypeVar("H")


class Boundary(abc.ObserverBase[T], abc.DisposableBase, Generic[T, R, H]):
    """One subscription: takes values on upstream's thread, gives them on from `scheduler`.
    Meanwhile they are `held`, each as an H.

    At most one action is scheduled or running at a time, and each gives on one value, so that
    others on the same scheduler have their turn. Upstream's completion or error follows the values
    that came before it. Where downstream's `on_next` raises, the error goes to its `on_error` and
    upstream is disposed. What `on_error` itself raises, and what is not an `Exception`, goes to
    whoever runs the scheduler and ends it; upstream is disposed when it finds no room. In each of
    these cases whoever waits here is released.

    Decides under `_lock`, acts outside it. The abstract methods are called under it; upstream's
    thread asks for `_full` without it, too.
    """

    def __init__(self, observer: abc.ObserverBase[R], scheduler: WaitableScheduler) -> None:
        self._observer = observer
        self._scheduler = scheduler
        self.held: deque[H] = deque()
        self._upstream = SingleAssignmentDisposable()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._last: Callable[[], None] | None = None  # the notification that ends it all
        self._draining = False  # an action is scheduled or running
        self._disposed = False
        self._waiting = False  # upstream's thread, for room, and nobody has woken it yet

    @abstractmethod
    def _ready(self) -> bool:
        """There is a value to give on."""

    @abstractmethod
    def _full(self) -> bool:
        """There is no room for another value."""

    @abstractmethod
    def _take(self) -> R:
        """The value to give on."""

    @abstractmethod
    def _given(self) -> None:
        """Downstream has returned."""

    @abstractmethod
    def _clear(self) -> Sequence[Callable[[], object]]:
        """Discard everything. What is returned is called outside the lock."""

    def connect(
        self, source: Observable[T], scheduler: abc.SchedulerBase | None
    ) -> abc.DisposableBase:
        self._upstream.disposable = source.subscribe(self, scheduler=scheduler)
        return self

    def on_error(self, error: Exception) -> None:
        self._finish(partial(self._observer.on_error, error))

    def on_completed(self) -> None:
        self._finish(self._observer.on_completed)

    def dispose(self) -> None:
        """Discard what is held and wake whoever waits. From any thread; never waits."""
        with self._lock:
            if self._disposed:
                return
            self._disposed = True
            rest = self._clear()
            self._changed.notify_all()
        self._upstream.dispose()
        for act in rest:
            act()

    def _finish(self, last: Callable[[], None]) -> None:
        with self._lock:
            self._last = last
            wake = self._wake()
        if wake:
            self._scheduler.schedule(self._drain)

    def _due(self) -> bool:
        return self._ready() or (self._last is not None and not self.held)

    def _wake(self) -> bool:
        """Whether the caller has to schedule `_drain`, outside the lock."""
        if self._draining or not self._due():
            return False
        self._draining = True
        return True

    def _wait_for_room(self) -> None:
        """Upstream's thread, without the lock, if `_full`: return when the next value may come."""
        if not self._scheduler.wait_for(self._changed, self._has_room):
            self.dispose()  # nobody is there any more to take values on

    def _has_room(self) -> bool:
        self._waiting = self._full()  # which it is not after dispose
        return not self._waiting

    def _freed(self) -> None:
        """Under the lock, when a value has left: wake upstream's thread, once."""
        if self._waiting:
            self._waiting = False
            self._changed.notify_all()

    def _drain(self, _: abc.SchedulerBase, __: object = None) -> None:
        with self._lock:
            if self._disposed:
                return
            last = None if self._ready() else self._last
            if last is None:
                value = self._take()
        if last is not None:
            last()  # and disposes this
            return
        try:
            self._observer.on_next(value)
        except Exception as error:
            self._observer.on_error(error)  # and disposes this, too
            return
        with self._lock:
            if self._disposed:
                return
            self._given()
            again = self._draining = self._due()
        if again:
            self._scheduler.schedule(self._drain)
