"""Map and filter with one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc

T = TypeVar("T")
R = TypeVar("R")


def filter_map(fn: Callable[[T], R | None]) -> Callable[[Observable[T]], Observable[R]]:
    """Emit `fn(value)` for every value, on upstream's thread; skip it if it is `None`.

    If `fn` raises, the error goes downstream, upstream is disposed and `fn` is not called again.
    """

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(
            observer: abc.ObserverBase[R], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            failed = False

            def on_next(value: T) -> None:
                nonlocal failed
                # Upstream may emit while it is being subscribed to, before it can be disposed.
                if failed:
                    return
                try:
                    result = fn(value)
                except Exception as error:
                    failed = True
                    observer.on_error(error)
                    return
                if result is not None:
                    observer.on_next(result)

            return source.subscribe(
                on_next, observer.on_error, observer.on_completed, scheduler=scheduler
            )

        return Observable(subscribe)

    return operator
