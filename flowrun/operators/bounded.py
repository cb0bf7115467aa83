"""The boundary between two threads."""

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
    level: Occupancy[T] | None = None,
) -> Callable[[Observable[T]], Observable[T]]:
    """The same values in the same order, given on by `scheduler`; at most `capacity` wait here.

    "block": `on_next` returns when there is room for the next value, so upstream never holds one
    that has no place. "drop_oldest": `on_next` does not wait; the oldest value makes room and goes
    to `on_drop`, on upstream's thread. If `on_drop` raises, its error ends the stream after the
    values that are here. Dispose discards what is here and reports it to nobody.
    `level` tells whoever watches what waits here.
    """
    if capacity < 1:
        raise ValueError(f"capacity is {capacity}, must be at least 1")

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], outer: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            buffer = _Buffer(observer, scheduler, capacity, when_full == "block", on_drop)
            if level is not None:
                level.watch(buffer.held, capacity)
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
            wake = self._wake()
        if wake:
            self._scheduler.schedule(self._drain)
        if self._blocks and self._full():  # and stays so until it is taken: nobody else adds
            self._wait_for_room()
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

    def _take(self) -> T:
        value = self.held.popleft()
        self._freed()
        return value

    def _given(self) -> None:
        """It left when it was taken: what downstream works on waits no more."""

    def _clear(self) -> Sequence[Callable[[], object]]:
        self.held.clear()
        return ()
