"""Hand values from one thread to another: the base class of `bounded` and `in_flight`."""

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
    """One subscription: receives values on upstream's thread and emits them on `scheduler`. In
    between they are `held`, each as an H.

    At most one action is scheduled or running at a time, and each emits one value, so that others
    on the same scheduler get their turn. Upstream's completion or error is emitted after the values
    before it. If downstream's `on_next` raises, the error goes to its `on_error` and upstream is
    disposed. What `on_error` itself raises, and what is not an `Exception`, propagates to the
    caller of the scheduler's `run` and ends it; upstream is then disposed the next time it finds no
    space. In each of these cases a waiting thread is released.

    Decides under `_lock`, acts outside it. The abstract methods are called under the lock;
    upstream's thread calls `_full` without it, too.
    """

    def __init__(self, observer: abc.ObserverBase[R], scheduler: WaitableScheduler) -> None:
        self._observer = observer
        self._scheduler = scheduler
        self.held: deque[H] = deque()
        self._upstream = SingleAssignmentDisposable()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._terminal: Callable[[], None] | None = None  # completion or error
        self._draining = False  # an action is scheduled or running
        self._disposed = False
        self._waiting = False  # upstream's thread waits for space and has not been woken yet

    @abstractmethod
    def _ready(self) -> bool:
        """Whether there is a value to emit."""

    @abstractmethod
    def _full(self) -> bool:
        """Whether there is no space for another value."""

    @abstractmethod
    def _next_value(self) -> R:
        """The value to emit."""

    @abstractmethod
    def _delivered(self) -> None:
        """Downstream's `on_next` has returned."""

    @abstractmethod
    def _clear(self) -> Sequence[Callable[[], object]]:
        """Discard everything. The returned functions are called outside the lock."""

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
        """Discard what is held and wake waiting threads. From any thread; never blocks."""
        with self._lock:
            if self._disposed:
                return
            self._disposed = True
            cleanup = self._clear()
            self._changed.notify_all()
        self._upstream.dispose()
        for act in cleanup:
            act()

    def _finish(self, terminal: Callable[[], None]) -> None:
        with self._lock:
            self._terminal = terminal
            wake = self._claim_drain()
        if wake:
            self._scheduler.schedule(self._drain)

    def _has_work(self) -> bool:
        return self._ready() or (self._terminal is not None and not self.held)

    def _claim_drain(self) -> bool:
        """Whether the caller must schedule `_drain`, outside the lock."""
        if self._draining or not self._has_work():
            return False
        self._draining = True
        return True

    def _wait_for_space(self) -> None:
        """On upstream's thread, without the lock, if `_full`: wait until the next value fits."""
        if not self._scheduler.wait_for(self._changed, self._has_space):
            self.dispose()  # the scheduler has ended, so no value will ever be emitted

    def _has_space(self) -> bool:
        self._waiting = self._full()  # false after dispose
        return not self._waiting

    def _wake_upstream(self) -> None:
        """Under the lock, after a value has been removed: wake upstream's thread, once."""
        if self._waiting:
            self._waiting = False
            self._changed.notify_all()

    def _drain(self, _: abc.SchedulerBase, __: object = None) -> None:
        with self._lock:
            if self._disposed:
                return
            terminal = None if self._ready() else self._terminal
            if terminal is None:
                value = self._next_value()
        if terminal is not None:
            terminal()  # and disposes this
            return
        try:
            self._observer.on_next(value)
        except Exception as error:
            self._observer.on_error(error)  # and disposes this, too
            return
        with self._lock:
            if self._disposed:
                return
            self._delivered()
            again = self._draining = self._has_work()
        if again:
            self._scheduler.schedule(self._drain)
