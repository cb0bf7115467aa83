"""Loops in virtual time and real threads, and an observer that checks the observable contract."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from reactivex import Observable, abc

from flowrun.operators.loop import LoopScheduler, ThreadLoop
from tests.testbed.virtual_time import VirtualTime

JOIN = 20.0  # seconds until a thread that should end counts as hanging


class Watched:
    """Subscribes, records the notifications and every violation of the observable contract."""

    def __init__(
        self, observable: Observable[Any], act: Callable[[Any], object] = lambda value: None
    ) -> None:
        self.values: list[Any] = []
        self.error: Exception | None = None
        self.completed = False
        self.violations: list[str] = []
        self.threads: set[str] = set()
        self.ended = threading.Event()
        self.disposed = False
        self.current: Any = None
        self._act = act
        self._inside = threading.Lock()
        self._subscription: abc.DisposableBase = observable.subscribe(
            self._on_next, self._on_error, self._on_completed
        )

    def dispose(self) -> None:
        self._subscription.dispose()
        self.disposed = True

    def _on_next(self, value: Any) -> None:
        if not self._inside.acquire(blocking=False):
            self.violations.append(f"{value} came before {self.current} was done")
            return
        try:
            if self.error or self.completed:
                self.violations.append(f"{value} came after the end")
            self.current = value
            self.threads.add(threading.current_thread().name)
            self.values.append(value)
            self._act(value)
        finally:
            self._inside.release()

    def _on_error(self, error: Exception) -> None:
        if self.error or self.completed:
            self.violations.append(f"{error!r} came after the end")
        self.error = error
        self.ended.set()

    def _on_completed(self) -> None:
        if self.error or self.completed:
            self.violations.append("completed after the end")
        self.completed = True
        self.ended.set()


@dataclass(frozen=True)
class Threads:
    source: ThreadLoop
    preprocess: ThreadLoop
    deliver: LoopScheduler  # the test serves it

    def run(self, watched: Watched, until: threading.Event | None = None) -> None:
        """Deliver until the end (or until `until` is set), as flowrun's own `run` does."""

        def wait_and_stop() -> None:
            (until or watched.ended).wait(JOIN)
            self.deliver.stop()

        guard = threading.Thread(target=wait_and_stop, name="guard")
        guard.start()
        try:
            self.deliver.run()
        finally:
            watched.dispose()
            (until or watched.ended).set()
            guard.join(JOIN)


@contextlib.contextmanager
def _threads() -> Iterator[Threads]:
    deliver = LoopScheduler()
    threads = Threads(
        ThreadLoop("source", deliver.fail), ThreadLoop("preprocess", deliver.fail), deliver
    )
    try:
        yield threads
    finally:
        for loop in (threads.source, threads.preprocess):
            loop.stop()
        assert [loop.join(JOIN) for loop in (threads.source, threads.preprocess)] == [True, True]


@pytest.fixture
def virtual() -> VirtualTime:
    return VirtualTime()


@pytest.fixture(scope="session")
def watch() -> type[Watched]:
    """`watch(observable, act)` subscribes; has values, error, completed, violations, dispose()."""
    return Watched


@pytest.fixture(scope="session")
def threads() -> Callable[[], AbstractContextManager[Threads]]:
    """`with threads() as on:` gives on.source, on.preprocess, on.deliver and on.run(watched)."""
    return _threads
