"""A chain with all its threads in virtual time: no clock, no thread, no chance."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from reactivex import abc, typing
from reactivex.disposable import Disposable

from flowrun.operators.scheduler import Action, WaitableScheduler

S = TypeVar("S")


class VirtualTime:
    """A clock that jumps from one action to the next, and the loops that live by it.

        virtual = VirtualTime()
        source, deliver = virtual.loop("source"), virtual.loop("deliver")
        pull(frames(), source).pipe(in_flight(submit, 4, deliver)).subscribe(...)
        virtual.run()

    A loop stands for a thread. Actions run in the order of their times, then of scheduling, on the
    thread that calls `run`. Where a real thread would wait, its loop runs no further action until
    what it waits for is so; other loops go on. `submit` answers later with
    `virtual.after(seconds, lambda: future.set_result(...))`.
    """

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self._numbers = itertools.count()
        self._loops: list[VirtualLoop] = []
        self._running: VirtualLoop | None = None
        self._world = self.loop("world")

    def loop(self, name: str) -> VirtualLoop:
        loop = VirtualLoop(name, self)
        self._loops.append(loop)
        return loop

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` `seconds` from now, on no loop of the chain."""

        def action(_: abc.SchedulerBase, __: object) -> None:
            act()

        self._world.schedule_relative(seconds, action)

    def spend(self, seconds: float) -> None:
        """The action that calls this takes `seconds`: its loop runs nothing else until they are
        over. Its effects, however, are there at once."""
        if self._running is None:
            raise RuntimeError("only an action can spend time")
        self._running.busy_until = max(self.now, self._running.busy_until) + seconds

    @property
    def waiting(self) -> list[str]:
        """The loops that are held back by `wait_for`."""
        return [loop.name for loop in self._loops if loop.held()]

    def run(self, until: float = math.inf) -> None:
        """Run what is due up to and including `until` (seconds), or until nothing can move.

        Raises what an action raises. If the chain is not done and `waiting` is not empty, real
        threads would hang.
        """
        while self.step(until):
            pass
        if until < math.inf:
            self.now = max(self.now, until)

    def step(self, until: float = math.inf) -> bool:
        """Run one action. False if there is none up to `until`."""
        first: tuple[float, int] | None = None
        chosen: VirtualLoop | None = None
        for loop in self._loops:
            if loop.actions and not loop.held():
                due, number, _ = loop.actions[0]
                at = (max(due, loop.busy_until, self.now), number)
                if first is None or at < first:
                    first, chosen = at, loop
        if first is None or chosen is None or first[0] > until:
            return False
        action = heapq.heappop(chosen.actions)[2]
        if action.disposed:  # takes no time
            return True
        self.now = first[0]
        outer, self._running = self._running, chosen
        try:
            action.invoke(chosen)
        finally:
            self._running = outer
        return True

    def hold(self, predicate: Callable[[], bool]) -> None:
        """Hold back whoever is running until `predicate` is true."""
        if self._running is not None:
            self._running.holds.append(predicate)
            return
        while not predicate():  # called from outside: there is nothing else to hold back
            if not self.step():
                raise RuntimeError(f"nothing moves any more; waiting: {self.waiting}")

    def number(self) -> int:
        return next(self._numbers)


class VirtualLoop(WaitableScheduler):
    """One thread of the chain, in virtual time."""

    def __init__(self, name: str, virtual: VirtualTime) -> None:
        super().__init__()
        self.name = name
        self.actions: list[tuple[float, int, Action]] = []
        self.holds: list[Callable[[], bool]] = []
        self.busy_until = 0.0
        self._virtual = virtual

    @property
    def now(self) -> datetime:
        return self.to_datetime(self._virtual.now)

    def held(self) -> bool:
        while self.holds and self.holds[-1]():
            self.holds.pop()
        return bool(self.holds)

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        return self._at(self._virtual.now, action, state)

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: abc.ScheduledAction[S],
        state: S | None = None,
    ) -> abc.DisposableBase:
        return self._at(self._virtual.now + max(0.0, self.to_seconds(duetime)), action, state)

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: abc.ScheduledAction[S],
        state: S | None = None,
    ) -> abc.DisposableBase:
        return self._at(self.to_seconds(duetime), action, state)

    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool]) -> bool:
        """See `WaitableScheduler`. Raises `RuntimeError` where a caller from outside the virtual
        world would wait for ever."""
        if not predicate():
            self._virtual.hold(predicate)
        return True

    def on_end(self, act: Callable[[], None]) -> abc.DisposableBase:
        """Virtual time has no end."""
        return Disposable()

    def _at(
        self, due: float, action: abc.ScheduledAction[S], state: S | None
    ) -> abc.DisposableBase:
        entry = Action(action, state, due)
        heapq.heappush(self.actions, (due, self._virtual.number(), entry))
        return entry
