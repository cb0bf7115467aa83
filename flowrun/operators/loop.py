"""Schedulers served by a thread: one that lends its time, or one of their own."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from reactivex import abc, typing
from reactivex.disposable import Disposable

from flowrun.operators.scheduler import Action, WaitableScheduler

S = TypeVar("S")

# The main thread never sleeps longer than this (seconds), because Python runs signal handlers there
# and only there: Windows does not interrupt a lock for Ctrl-C, and elsewhere the kernel may give
# the signal to another thread, which does not wake this one either.
NAP = 0.25
LONGEST = 3600.0  # seconds; some platforms refuse timeouts of months


class LoopScheduler(WaitableScheduler):
    """Runs every action on the thread that calls `run`, in the order in which they were scheduled
    or, for those with a time, became due.

    `schedule…`, `stop` and `fail` may be called from any thread and from a signal handler, and
    never block. The queue is as long as the callers make it: the operators keep at most one action
    each in it. Once `run` has ended, actions are taken and never run. Whoever serves a loop with
    `run` disposes the chain afterwards, also when it raised.
    """

    def __init__(self) -> None:
        super().__init__()
        # A SimpleQueue because its `put` is reentrant: a signal handler may interrupt anything.
        self._inbox: SimpleQueue[Action | None] = SimpleQueue()
        self._timers: list[tuple[float, int, Action]] = []  # only the serving thread touches it
        self._numbers = itertools.count()
        self._server: int | None = None
        self._nap: float | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._waited: list[threading.Condition] = []
        self._last_acts: dict[int, Callable[[], None]] = {}

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        entry = Action(action, state)
        self._inbox.put(entry)
        return entry

    def schedule_relative(
        self,
        duetime: typing.RelativeTime,
        action: abc.ScheduledAction[S],
        state: S | None = None,
    ) -> abc.DisposableBase:
        entry = Action(action, state, time.monotonic() + self.to_seconds(duetime))
        self._inbox.put(entry)
        return entry

    def schedule_absolute(
        self,
        duetime: typing.AbsoluteTime,
        action: abc.ScheduledAction[S],
        state: S | None = None,
    ) -> abc.DisposableBase:
        return self.schedule_relative(self.to_datetime(duetime) - self.now, action, state)

    def run(self) -> None:
        """Serve until `stop`; whatever an action raises ends it and is raised here. Once only.

        On the main thread, signal handlers run within a quarter of a second.
        """
        if self._server is not None:
            raise RuntimeError("a loop runs once, on one thread")
        self._server, self._nap = threading.get_ident(), _nap()
        try:
            while (entry := self._next()) is not None:
                entry.invoke(self)
        finally:
            self._end()

    def stop(self) -> None:
        """`run` returns after the actions that were due before this call. Idempotent; does not
        wait. Timers that are not due yet, and what is scheduled later, never run."""
        self._inbox.put(None)

    def fail(self, error: BaseException) -> None:
        """`run` raises `error` after the actions that were due before this call."""

        def crash(_: abc.SchedulerBase, __: object) -> None:
            raise error

        self.schedule(crash)

    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool]) -> bool:
        """See `WaitableScheduler`. Ends at the latest when `run` does."""
        if threading.get_ident() == self._server and not self._ended:
            raise RuntimeError("a loop cannot wait for itself: give each side its own scheduler")
        with condition:
            with self._lock:
                self._waited.append(condition)
            try:
                while not (predicate() or self._ended):
                    condition.wait(_nap())
            finally:
                with self._lock:
                    self._waited.remove(condition)
            return predicate()

    def on_end(self, act: Callable[[], None]) -> abc.DisposableBase:
        """See `WaitableScheduler`. What `act` raises is raised by `run`."""
        number = next(self._numbers)
        self._last_acts[number] = act

        def forget() -> None:
            self._last_acts.pop(number, None)

        return Disposable(forget)

    def _next(self) -> Action | None:
        """The next action that is due, `None` for the end. Sleeps until there is one."""
        while True:
            timeout = self._nap
            if self._timers:
                left = self._timers[0][0] - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._timers)[2]
                timeout = min(left, self._nap or LONGEST)
            try:
                entry = self._inbox.get(timeout=timeout)
            except Empty:
                continue
            if entry is None or not entry.due:
                return entry
            heapq.heappush(self._timers, (entry.due, next(self._numbers), entry))

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            waited = list(self._waited)
        for condition in waited:  # outside the lock: a waiter takes the two the other way round
            with condition:
                condition.notify_all()
        self._call_last_acts()

    def _call_last_acts(self) -> None:
        if self._last_acts:
            try:
                self._last_acts.popitem()[1]()
            finally:  # all of them, whatever one raises
                self._call_last_acts()


class ThreadLoop(LoopScheduler):
    """A `LoopScheduler` with a thread of its own, started at once and not a daemon.

    `on_crash` is called on that thread, as its last act, with what an action raised (typically the
    `fail` of the loop that the caller serves); `error` keeps it.
    """

    def __init__(self, name: str, on_crash: Callable[[BaseException], None]) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self._on_crash = on_crash
        self._thread = threading.Thread(target=self._serve, name=name, daemon=False)
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the thread to end; whether it did."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.error = error
            self._on_crash(error)


def _nap() -> float | None:
    return NAP if threading.current_thread() is threading.main_thread() else None
