"""Run a chain with all its threads in virtual time: deterministic, without clock or threads."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from reactivex import abc
from reactivex.disposable import Disposable

from flowrun.operators.scheduler import Action, WaitableScheduler

S = TypeVar("S")


class VirtualTime:
    """A clock that jumps from one action to the next, and the loops that use it.

        virtual = VirtualTime()
        source, deliver = virtual.loop("source"), virtual.loop("deliver")
        pull(frames(), source).pipe(in_flight(submit, 4, deliver)).subscribe(...)
        virtual.run()

    A loop stands for a thread. Actions run in the order of their times, then of scheduling, on the
    thread that calls `run`. Where a real thread would wait, its loop runs no further action until
    the condition is true; other loops go on. `submit` resolves its future later with
    `virtual.after(seconds, lambda: future.set_result(...))`.
    """

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self._numbers = itertools.count()
        self._loops: list[VirtualLoop] = []
        self._running: VirtualLoop | None = None
        self._external = self.loop("world")

    def loop(self, name: str) -> VirtualLoop:
        loop = VirtualLoop(name, self)
        self._loops.append(loop)
        return loop

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Call `act` in `seconds`, on a loop outside the chain."""

        def action(_: abc.SchedulerBase, __: object) -> None:
            act()

        self._external.schedule_relative(seconds, action)

    def spend(self, seconds: float) -> None:
        """Make the calling action take `seconds`: its loop runs nothing else for that long. Its
        effects, however, are visible at once."""
        if self._running is None:
            raise RuntimeError("only an action can spend time")
        self._running.busy_until = max(self.now, self._running.busy_until) + seconds

    @property
    def waiting(self) -> list[str]:
        """The loops that are blocked in `wait_for`."""
        return [loop.name for loop in self._loops if loop.held()]

    def run(self, until: float = math.inf) -> None:
        """Run the actions due up to and including `until` (seconds), or until none can run.

        Raises what an action raises. If the chain is not done and `waiting` is not empty, real
        threads would deadlock.
        """
        while self.step(until):
            pass
        if until < math.inf:
            self.now = max(self.now, until)

    def step(self, until: float = math.inf) -> bool:
        """Run one action. Returns False if there is none up to `until`."""
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
        """Block the running loop until `predicate` is true."""
        if self._running is not None:
            self._running.holds.append(predicate)
            return
        while not predicate():  # called from outside: run actions instead
            if not self.step():
                raise RuntimeError(f"deadlock: no action can run; waiting: {self.waiting}")

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

    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool]) -> bool:
        """See `WaitableScheduler`. Raises `RuntimeError` if a caller outside the loops would wait
        forever."""
        if not predicate():
            self._virtual.hold(predicate)
        return True

    def on_end(self, act: Callable[[], None]) -> abc.DisposableBase:
        """Virtual time has no end."""
        return Disposable()

    def _enqueue(
        self, action: abc.ScheduledAction[S], state: S | None, delay: float | None
    ) -> abc.DisposableBase:
        entry = Action(action, state, self._virtual.now + max(0.0, delay or 0.0))
        heapq.heappush(self.actions, (entry.due, self._virtual.number(), entry))
        return entry
