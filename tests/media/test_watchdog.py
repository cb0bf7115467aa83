"""A block that takes too long is ended from outside; any other is left alone."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from flowrun.media.watchdog import Watchdog

LIMIT = 30.0  # seconds, a guard against hanging


def test_an_overdue_block_is_acted_on_once_from_a_thread_of_its_own() -> None:
    acted, names = threading.Event(), []

    def act() -> None:
        names.append(threading.current_thread().name)
        acted.set()

    watchdog = Watchdog(act)
    try:
        with watchdog.limit(0.0):
            assert acted.wait(LIMIT)
        assert watchdog.barked
        with watchdog.limit(0.0):
            watchdog.close()  # waits for its thread, which has nothing left to do
    finally:
        watchdog.close()
    assert names == ["flowrun-watchdog"]


def test_blocks_in_time_are_left_alone_also_when_one_raises() -> None:
    acts: list[int] = []
    watchdog = Watchdog(lambda: acts.append(1))
    with watchdog.limit(LIMIT):
        pass
    with pytest.raises(ValueError, match=r"^torn$"), watchdog.limit(LIMIT):
        raise ValueError("torn")
    watchdog.close()
    watchdog.close()
    assert (acts, watchdog.barked) == ([], False)


def test_each_block_has_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    looks = threading.Semaphore(0)
    acts: list[int] = []

    def clock() -> float:
        looks.release()
        return now

    def it_has_looked() -> bool:
        while looks.acquire(blocking=False):
            pass
        return all(looks.acquire(timeout=LIMIT) for _ in range(3))

    monkeypatch.setattr("flowrun.media.watchdog.time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr("flowrun.media.watchdog._EVERY", 0.001)
    watchdog = Watchdog(lambda: acts.append(1))
    try:
        with watchdog.limit(5.0):
            now = 4.9
            assert it_has_looked()
        with watchdog.limit(5.0):
            assert it_has_looked()
            now = 9.8
            assert it_has_looked()
    finally:
        watchdog.close()
    assert acts == []


def test_nothing_is_overdue_after_close() -> None:
    acts: list[int] = []
    watchdog = Watchdog(lambda: acts.append(1))
    watchdog.close()
    with watchdog.limit(-1.0):
        pass
    assert (acts, watchdog.barked) == ([], False)
    assert "flowrun-watchdog" not in {thread.name for thread in threading.enumerate()}


def test_what_it_does_may_close_it() -> None:
    closed = threading.Event()

    def act() -> None:
        watchdog.close()
        closed.set()

    watchdog = Watchdog(act)
    with watchdog.limit(0.0):
        assert closed.wait(LIMIT)
    watchdog.close()
