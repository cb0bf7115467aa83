"""Event loops as schedulers, run by the calling thread or by a thread of their own."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from reactivex import abc
from reactivex.disposable import Disposable

from flowrun.operators.scheduler import Action, WaitableScheduler

S = TypeVar("S")

# Of the main thread, in seconds, because only it runs Python's signal handlers: Windows does not
# interrupt a lock for Ctrl-C, and elsewhere the kernel may deliver the signal to another thread,
# which does not wake this one either.
MAX_SLEEP = 0.25
MAX_TIMEOUT = 3600.0  # seconds; some platforms refuse timeouts of months


class LoopScheduler(WaitableScheduler):
    """Run every action on the thread that calls `run`, in the order in which they were scheduled
    or, for timers, became due.

    `schedule…`, `stop` and `fail` may be called from any thread and from a signal handler, and
    never block. The queue is not bounded, but the operators keep at most one action each in it.
    Actions scheduled after `run` has ended are accepted and never run. The caller of `run` disposes
    the chain afterwards, also when it raised.
    """

    def __init__(self) -> None:
        super().__init__()
        # A SimpleQueue because its `put` is reentrant: a signal handler may interrupt anything.
        self._inbox: SimpleQueue[Action | None] = SimpleQueue()
        # Used by the loop's thread only: what it has taken from the inbox.
        self._ready: deque[Action | None] = deque()
        self._timers: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self._thread_id: int | None = None
        self._max_sleep: float | None = None
        self._ended = False
        self._lock = threading.Lock()
        self._conditions: list[threading.Condition] = []
        self._end_callbacks: dict[int, Callable[[], None]] = {}

    def run(self) -> None:
        """Run actions until `stop`. An exception of an action ends it and is raised here. May be
        called once.

        On the main thread, signal handlers run within a quarter of a second.
        """
        if self._thread_id is not None:
            raise RuntimeError("a loop runs once, on one thread")
        self._thread_id, self._max_sleep = threading.get_ident(), _max_sleep()
        try:
            while (entry := self._next()) is not None:
                entry.invoke(self)
        finally:
            self._end()

    def stop(self) -> None:
        """Make `run` return after the actions that were due before this call. Idempotent; does not
        wait. Timers that are not due yet, and actions scheduled later, never run."""
        self._inbox.put(None)

    def fail(self, error: BaseException) -> None:
        """Make `run` raise `error` after the actions that were due before this call."""

        def crash(_: abc.SchedulerBase, __: object) -> None:
            raise error

        self.schedule(crash)

    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool]) -> bool:
        """See `WaitableScheduler`. Ends at the latest when `run` does."""
        if threading.get_ident() == self._thread_id and not self._ended:
            raise RuntimeError("a loop cannot wait for itself: give each side its own scheduler")
        with condition:
            with self._lock:
                self._conditions.append(condition)
            try:
                while not (predicate() or self._ended):
                    condition.wait(_max_sleep())
            finally:
                with self._lock:
                    self._conditions.remove(condition)
            return predicate()

    def on_end(self, act: Callable[[], None]) -> abc.DisposableBase:
        """See `WaitableScheduler`. An exception of `act` is raised by `run`."""
        number = next(self._numbers)
        self._end_callbacks[number] = act

        def forget() -> None:
            self._end_callbacks.pop(number, None)

        return Disposable(forget)

    def schedule(
        self, action: abc.ScheduledAction[S], state: S | None = None
    ) -> abc.DisposableBase:
        entry = Action(action, state)  # as `_enqueue`, without a call: three times per frame
        self._inbox.put(entry)
        return entry

    def _enqueue(
        self, action: abc.ScheduledAction[S], state: S | None, delay: float | None
    ) -> abc.DisposableBase:
        entry = Action(action, state, 0.0 if delay is None else time.monotonic() + delay)
        self._inbox.put(entry)
        return entry

    def _next(self) -> Action | None:
        """Wait for the next action that is due; `None` after `stop`."""
        while True:
            if not self._timers and not self._ready:  # the usual case: as few calls as possible
                try:
                    entry = self._inbox.get(timeout=self._max_sleep)
                except Empty:
                    continue
                if entry is None or not entry.due:
                    return entry
                self._sort(entry)
            while not self._inbox.empty():  # timers that are due run in the order of their times
                self._sort(self._inbox.get())
            timeout = self._max_sleep
            if self._timers:
                left = self._timers[0][0] - time.monotonic()
                if left <= 0:
                    return heapq.heappop(self._timers)[2]
                timeout = min(left, self._max_sleep or MAX_TIMEOUT)
            if self._ready:
                return self._ready.popleft()
            with suppress(Empty):
                self._sort(self._inbox.get(timeout=timeout))

    def _sort(self, entry: Action | None) -> None:
        if entry is None or not entry.due:
            self._ready.append(entry)
        else:
            heapq.heappush(self._timers, (entry.due, next(self._numbers), entry))

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            conditions = list(self._conditions)
        for condition in conditions:  # without `_lock`: waiters lock in reverse order
            with condition:
                condition.notify_all()
        self._run_end_callbacks()

    def _run_end_callbacks(self) -> None:
        if self._end_callbacks:
            try:
                self._end_callbacks.popitem()[1]()
            finally:  # call all of them even if one raises
                self._run_end_callbacks()


class ThreadLoop(LoopScheduler):
    """A `LoopScheduler` with a daemon thread of its own, which starts at once: an action that never
    returns does not keep the process alive.

    If an action raises, `on_crash` is called with the exception, as the last thing on that thread
    (typically the `fail` of the caller's loop); `error` keeps it.
    """

    def __init__(self, name: str, on_crash: Callable[[BaseException], None]) -> None:
        super().__init__()
        self.error: BaseException | None = None
        self._on_crash = on_crash
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the thread to end; returns whether it did."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _serve(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.error = error
            self._on_crash(error)


def _max_sleep() -> float | None:
    return MAX_SLEEP if threading.current_thread() is threading.main_thread() else None
