"""Mark the last value before it is emitted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc

T = TypeVar("T")


def mark_last(mark: Callable[[T], T]) -> Callable[[Observable[T]], Observable[T]]:
    """Emit `mark(value)` for the last value and the others unchanged, on upstream's thread.

    Each value is held until the next one arrives, or upstream's completion or error.
    """

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            held: deque[T] = deque()

            def on_next(value: T) -> None:
                held.append(value)
                if len(held) > 1:
                    observer.on_next(held.popleft())

            def flush() -> None:
                if held:
                    observer.on_next(mark(held.popleft()))

            def on_error(error: Exception) -> None:
                flush()
                observer.on_error(error)

            def on_completed() -> None:
                flush()
                observer.on_completed()

            return source.subscribe(on_next, on_error, on_completed, scheduler=scheduler)

        return Observable(subscribe)

    return operator
