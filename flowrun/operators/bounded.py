"""A bounded buffer between two threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

from reactivex import Observable, abc

from flowrun.operators.boundary import Boundary
from flowrun.operators.occupancy import Occupancy
from flowrun.operators.scheduler import WaitableScheduler

T = TypeVar("T")
WhenFull = Literal["block", "drop_oldest"]


def bounded(
    capacity: int,
    when_full: WhenFull,
    scheduler: WaitableScheduler,
    on_drop: Callable[[T], None],
    occupancy: Occupancy[T] | None = None,
) -> Callable[[Observable[T]], Observable[T]]:
    """Emit the values in order on `scheduler`, with a buffer of at most `capacity` between.

    "block": `on_next` returns when there is space for the next value, so upstream never holds a
    value that does not fit. "drop_oldest": `on_next` does not wait; the oldest value is removed and
    passed to `on_drop`, on upstream's thread. If `on_drop` raises, its error ends the stream after
    the buffered values. Dispose discards the buffered values without reporting them.
    `occupancy` reports how full the buffer is.
    """
    if capacity < 1:
        raise ValueError(f"capacity is {capacity}, must be at least 1")

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], outer: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            buffer = _Buffer(observer, scheduler, capacity, when_full == "block", on_drop)
            if occupancy is not None:
                occupancy.watch(buffer.held, capacity)
            return buffer.connect(source, outer)

        return Observable(subscribe)

    return operator


class _Buffer(Boundary[T, T, T]):
    def __init__(
        self,
        observer: abc.ObserverBase[T],
        scheduler: WaitableScheduler,
        capacity: int,
        blocks: bool,
        on_drop: Callable[[T], None],
    ) -> None:
        super().__init__(observer, scheduler)
        self._capacity = capacity
        self._blocks = blocks
        self._on_drop = on_drop

    def on_next(self, value: T) -> None:
        evicted: list[T] = []
        with self._lock:
            if self._disposed:
                return
            if self._full():
                if self._blocks:
                    raise RuntimeError("upstream did not wait until on_next returned")
                evicted.append(self.held.popleft())
            self.held.append(value)
            wake = self._claim_drain()
        if wake:
            self._scheduler.schedule(self._drain)
        if self._blocks and self._full():  # until a value is taken: only this thread adds
            self._wait_for_space()
        for item in evicted:
            self._report(item)

    def _report(self, item: T) -> None:
        try:
            self._on_drop(item)
        except Exception as error:
            self.on_error(error)
            self._upstream.dispose()

    def _ready(self) -> bool:
        return bool(self.held)

    def _full(self) -> bool:
        return len(self.held) >= self._capacity

    def _next_value(self) -> T:
        value = self.held.popleft()
        self._wake_upstream()
        return value

    def _delivered(self) -> None:
        """Nothing to do: the value was removed when it was taken."""

    def _clear(self) -> Sequence[Callable[[], object]]:
        self.held.clear()
        return ()
