"""Several requests on their way at once, their results in the order of the requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Generic, TypeVar

from reactivex import Observable, abc

from flowrun.operators.boundary import Boundary
from flowrun.operators.limit import Limit
from flowrun.operators.outcome import Outcome
from flowrun.operators.scheduler import WaitableScheduler

T = TypeVar("T")
R = TypeVar("R")


def in_flight(
    submit: Callable[[T], Future[R]], limit: int | Limit, scheduler: WaitableScheduler
) -> Callable[[Observable[T]], Observable[Outcome[T, R]]]:
    """The outcome of `submit` for every value, in source order, given on by `scheduler`.

    At most `limit` values (a `Limit` may change its value meanwhile) are between `submit` and the
    return of downstream's `on_next`: only that frees a slot, so that a slow consumer fills the
    window. `on_next` calls `submit`, on upstream's thread, and returns when there is a slot for the
    next value; a server that works on n requests at once is kept busy by a `limit` of n + 1. What
    `submit` raises, what the future holds and a cancelled future are that one value's error, never
    the stream's. The future's callback, on any thread, neither blocks nor raises.

    Every future has to end at some time, or its place in the order is never passed. Dispose
    discards the values in flight, reports them to nobody and cancels their futures (which may be
    answered at that moment: whoever resolves them must expect it).
    """
    window = Limit(limit) if isinstance(limit, int) else limit

    def operator(source: Observable[T]) -> Observable[Outcome[T, R]]:
        def subscribe(
            observer: abc.ObserverBase[Outcome[T, R]], outer: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            return _Window(observer, scheduler, submit, window).connect(source, outer)

        return Observable(subscribe)

    return operator


class _Slot(Generic[T, R]):
    """`outcome` is there once `done` is true."""

    __slots__ = ("done", "future", "outcome")
    outcome: Outcome[T, R]

    def __init__(self) -> None:
        self.future: Future[R] | None = None
        self.done = False


class _Window(Boundary[T, Outcome[T, R], "_Slot[T, R]"]):
    def __init__(
        self,
        observer: abc.ObserverBase[Outcome[T, R]],
        scheduler: WaitableScheduler,
        submit: Callable[[T], Future[R]],
        limit: Limit,
    ) -> None:
        super().__init__(observer, scheduler)
        self._submit = submit
        self._limit = limit

    def on_next(self, value: T) -> None:
        slot: _Slot[T, R] = _Slot()
        with self._lock:
            if self._disposed:
                return
            if self._full():
                raise RuntimeError("upstream did not wait until on_next returned")
            self._limit.enter()
            self.held.append(slot)
        try:
            future = self._submit(value)
        except Exception as error:
            self._note(slot, Outcome(value, error=error))
        else:
            with self._lock:
                slot.future = future
                too_late = self._disposed
            if too_late:
                future.cancel()
                return
            future.add_done_callback(partial(self._answered, slot, value))
        if self._full():  # and stays so until a slot is freed: nobody else adds
            self._wait_for_room()

    def _answered(self, slot: _Slot[T, R], value: T, future: Future[R]) -> None:
        try:
            error = future.exception()
        except CancelledError:  # whose traceback would hold this call, and that the value
            error = CancelledError()
        self._note(slot, Outcome(value, future.result() if error is None else None, error))

    def _note(self, slot: _Slot[T, R], outcome: Outcome[T, R]) -> None:
        with self._lock:
            slot.outcome = outcome
            slot.done = True
            slot.future = None  # its callback holds the slot: a circle would keep the value alive
            wake = self._wake()
        if wake:
            self._scheduler.schedule(self._drain)

    def _ready(self) -> bool:
        return bool(self.held) and self.held[0].done

    def _full(self) -> bool:
        return len(self.held) >= self._limit.value

    def _take(self) -> Outcome[T, R]:
        return self.held[0].outcome

    def _given(self) -> None:
        self.held.popleft()
        self._limit.leave()
        self._freed()

    def _clear(self) -> Sequence[Callable[[], object]]:
        futures = [slot.future for slot in self.held if slot.future is not None]
        for _ in self.held:
            self._limit.leave()
        self.held.clear()
        return [future.cancel for future in futures]
