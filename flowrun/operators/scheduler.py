"""The scheduler interface of the operators: reactivex's, waiting, and a callback at the end."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import abc, typing
from reactivex.scheduler.periodicscheduler import PeriodicScheduler

S = TypeVar("S")


class WaitableScheduler(PeriodicScheduler):
    """Runs its actions one after the other, and lets another thread wait for their effect."""

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        return self._enqueue(action, state, None)

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: abc.ScheduledAction[S],
        state: S | None = None,
    ) -> abc.DisposableBase:
        return self._enqueue(action, state, self.to_seconds(duetime))

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: abc.ScheduledAction[S],
        state: S | None = None,
    ) -> abc.DisposableBase:
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)

    @abstractmethod
    def _enqueue(
        self, action: abc.ScheduledAction[S], state: S | None, delay: float | None
    ) -> abc.DisposableBase:
        """Schedule `action` in `delay` seconds; `None`: as soon as possible."""

    @abstractmethod
    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool]) -> bool:
        """Block the caller until actions of this scheduler have made `predicate` true.

        Returns False if that can never happen because the scheduler has ended. Call it without
        holding `condition`, never from an action of this scheduler, and as the last thing in a
        notification: in virtual time it may return at once and block, instead of the thread, the
        later actions of the caller's scheduler.
        """

    @abstractmethod
    def on_end(self, act: Callable[[], None]) -> abc.DisposableBase:
        """Call `act` when this scheduler ends, on its thread, after its last action.

        Call this from one of its actions. Dispose the returned object, in an action, to cancel.
        """


class Action(abc.DisposableBase):
    """A scheduled action, run once unless disposed first. `due` is its time on the scheduler's
    clock, 0 for none."""

    __slots__ = ("_action", "_disposed", "_inner", "_state", "due")

    def __init__(self, action: abc.ScheduledAction[Any], state: Any, due: float = 0.0) -> None:
        self._action = action
        self._state = state
        self._inner: abc.DisposableBase | None = None
        self._disposed = False
        self.due = due

    @property
    def disposed(self) -> bool:
        return self._disposed

    def invoke(self, scheduler: abc.SchedulerBase) -> None:
        if self._disposed:
            return
        inner = self._action(scheduler, self._state)
        if inner is not None:
            self._inner = inner
            if self._disposed:  # meanwhile, by a thread that may not have seen `_inner` yet
                inner.dispose()

    def dispose(self) -> None:
        self._disposed = True
        if self._inner is not None:
            self._inner.dispose()
