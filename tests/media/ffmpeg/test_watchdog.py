"""A block that takes too long is ended from outside; any other is left alone."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from flowrun.media.ffmpeg.watchdog import Watchdog

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


class Looks:
    """Stands in for the event that the watchdog waits for: it looks when it is told to."""

    def __init__(self) -> None:
        self._begin, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self._over = False

    def look(self) -> None:
        """Return when the watchdog has looked once more."""
        assert self._waits.acquire(timeout=LIMIT)
        self._begin.release()
        assert self._waits.acquire(timeout=LIMIT)
        self._waits.release()  # as it does still

    def wait(self, timeout: float) -> bool:
        self._waits.release()
        return not self._begin.acquire(timeout=LIMIT) or self._over

    def set(self) -> None:
        self._over = True
        self._begin.release()


def test_each_block_has_its_own_limit_which_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    looks = Looks()
    acts: list[float] = []
    current = threading.current_thread
    for name, stand_in in {
        "time": SimpleNamespace(monotonic=lambda: now),
        "threading": SimpleNamespace(
            Event=lambda: looks, Thread=threading.Thread, current_thread=current
        ),
    }.items():
        monkeypatch.setattr(f"flowrun.media.ffmpeg.watchdog.{name}", stand_in)
    watchdog = Watchdog(lambda: acts.append(now))
    with watchdog.limit(5.0):
        now = 5.0
        looks.look()
    now = 100.0  # nobody waits for anything
    looks.look()
    with watchdog.limit(5.0):
        now = 105.0
        looks.look()
    assert acts == []
    with watchdog.limit(5.0):
        now = 110.1
        looks.set()
        watchdog.close()
    assert (acts, watchdog.barked) == ([], False)


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
