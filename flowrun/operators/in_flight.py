"""Several requests in flight at once, results in the order of the requests."""

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
    """Emit the outcome of `submit` for every value, in source order, on `scheduler`.

    At most `limit` values (a `Limit` may change its value at any time) are between `submit` and the
    return of downstream's `on_next`: only that frees a slot, so that a slow consumer fills the
    window. `on_next` calls `submit`, on upstream's thread, and returns when there is a slot for the
    next value; a server that processes n requests at once is kept busy by a `limit` of n + 1. An
    exception of `submit`, one in the future, and a cancelled future are the error of that value,
    never of the stream. The future's callback, on any thread, neither blocks nor raises.

    Every future must complete at some time: results behind it wait for it. Dispose discards the
    values in flight without reporting them and cancels their futures (which may complete at that
    moment: code that resolves them must expect it).
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
    """One value in flight. `outcome` is set once `done` is true."""

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
            self._resolve(slot, Outcome(value, error=error))
        else:
            with self._lock:
                slot.future = future
                disposed = self._disposed
            if disposed:
                future.cancel()
                return
            future.add_done_callback(partial(self._completed, slot, value))
        if self._full():  # until a slot is freed: only this thread adds
            self._wait_for_space()

    def _completed(self, slot: _Slot[T, R], value: T, future: Future[R]) -> None:
        try:
            error = future.exception()
        except CancelledError:  # its traceback would keep this frame, and so the value, alive
            error = CancelledError()
        self._resolve(slot, Outcome(value, future.result() if error is None else None, error))

    def _resolve(self, slot: _Slot[T, R], outcome: Outcome[T, R]) -> None:
        with self._lock:
            slot.outcome = outcome
            slot.done = True
            slot.future = None  # breaks a reference cycle: the future's callback holds the slot
            wake = self._claim_drain()
        if wake:
            self._scheduler.schedule(self._drain)

    def _ready(self) -> bool:
        return bool(self.held) and self.held[0].done

    def _full(self) -> bool:
        return len(self.held) >= self._limit.value

    def _next_value(self) -> Outcome[T, R]:
        return self.held[0].outcome

    def _delivered(self) -> None:
        self.held.popleft()
        self._limit.leave()
        self._wake_upstream()

    def _clear(self) -> Sequence[Callable[[], object]]:
        futures = [slot.future for slot in self.held if slot.future is not None]
        for _ in self.held:
            self._limit.leave()
        self.held.clear()
        return [future.cancel for future in futures]
