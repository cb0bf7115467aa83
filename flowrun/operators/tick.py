"""Call a function at intervals while a stream runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable

T = TypeVar("T")


def tick(
    act: Callable[[], None], every: float, scheduler: abc.SchedulerBase
) -> Callable[[Observable[T]], Observable[T]]:
    """Pass the values through; until they end, call `act` on `scheduler`, `every` seconds after the
    last call returned. If it raises, the error goes downstream and ends the stream."""

    def operator(source: Observable[T]) -> Observable[T]:
        def subscribe(
            observer: abc.ObserverBase[T], outer: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            timer = SerialDisposable()

            def step(_: abc.SchedulerBase, __: object = None) -> None:
                try:
                    act()
                except Exception as error:
                    observer.on_error(error)
                else:
                    timer.disposable = scheduler.schedule_relative(every, step)

            timer.disposable = scheduler.schedule_relative(every, step)
            # The end of the stream disposes both.
            return CompositeDisposable(source.subscribe(observer, scheduler=outer), timer)

        return Observable(subscribe)

    return operator
