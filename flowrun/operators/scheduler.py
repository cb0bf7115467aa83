"""What the operators ask of a scheduler beyond reactivex: waiting for it, and word of its end."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from reactivex import abc
from reactivex.scheduler.periodicscheduler import PeriodicScheduler


class WaitableScheduler(PeriodicScheduler):
    """Runs its actions one after the other, and lets another thread wait for their effect."""

    @abstractmethod
    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool]) -> bool:
        """Hold the caller back until actions of this scheduler have made `predicate` true.

        False if that can never happen because the scheduler has ended. Call it without holding
        `condition`, never from an action of this very scheduler, and as the last thing that a
        notification does: in virtual time it may return at once and hold back, instead of the
        thread, the later actions of the scheduler that runs the caller.
        """

    @abstractmethod
    def on_end(self, act: Callable[[], None]) -> abc.DisposableBase:
        """Call `act` when this scheduler ends, on the thread that served it, after its last action.

        Call it from one of its actions; dispose what it returns, in another, to be forgotten.
        """


class Action(abc.DisposableBase):
    """Something to run once, unless it is disposed first. `due`: when, on its scheduler's clock."""

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
            if self._disposed:  # meanwhile: whoever did it may not have seen `_inner` yet
                inner.dispose()

    def dispose(self) -> None:
        self._disposed = True
        if self._inner is not None:
            self._inner.dispose()
