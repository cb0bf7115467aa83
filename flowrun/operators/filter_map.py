"""One function of the user's in the chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc

T = TypeVar("T")
R = TypeVar("R")


def filter_map(fn: Callable[[T], R | None]) -> Callable[[Observable[T]], Observable[R]]:
    """`fn` of every value, on the thread that brings it; where it is `None`, nothing.

    If `fn` raises, the error goes downstream, upstream is disposed and `fn` is not called again.
    """

    def operator(source: Observable[T]) -> Observable[R]:
        def subscribe(
            observer: abc.ObserverBase[R], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            failed = False

            def on_next(value: T) -> None:
                nonlocal failed
                # Upstream can only be disposed once it is subscribed to, and it may be quicker.
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
