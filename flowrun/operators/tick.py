"""Something to do between the values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, SerialDisposable

T = TypeVar("T")


def tick(
    act: Callable[[], None], every: float, scheduler: abc.SchedulerBase
) -> Callable[[Observable[T]], Observable[T]]:
    """The same values; `act` is called on `scheduler` again and again, `every` seconds after it
    returned, until the values end. What it raises goes downstream and ends them."""

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
            # Whatever ends the values disposes both.
            return CompositeDisposable(source.subscribe(observer, scheduler=outer), timer)

        return Observable(subscribe)

    return operator
