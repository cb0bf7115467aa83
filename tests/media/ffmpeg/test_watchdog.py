"""A block that exceeds its time triggers the callback; any other does not."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from flowrun.media.ffmpeg.watchdog import Watchdog

LIMIT = 30.0  # seconds, a guard against hanging


def test_a_block_that_exceeds_its_time_triggers_the_callback_once_on_a_thread_of_its_own() -> None:
    acted, names = threading.Event(), []

    def act() -> None:
        names.append(threading.current_thread().name)
        acted.set()

    watchdog = Watchdog(act)
    try:
        with watchdog.limit(0.0):
            assert acted.wait(LIMIT)
        assert watchdog.expired
        with watchdog.limit(0.0):
            watchdog.close()  # joins its thread, which has nothing left to do
    finally:
        watchdog.close()
    assert names == ["flowrun-watchdog"]


def test_blocks_that_end_in_time_trigger_nothing_also_when_one_raises() -> None:
    acts: list[int] = []
    watchdog = Watchdog(lambda: acts.append(1))
    with watchdog.limit(LIMIT):
        pass
    with pytest.raises(ValueError, match=r"^torn$"), watchdog.limit(LIMIT):
        raise ValueError("torn")
    watchdog.close()
    watchdog.close()
    assert (acts, watchdog.expired) == ([], False)


class StepEvent:
    """Replaces the event that the watchdog waits for: the test triggers each check."""

    def __init__(self) -> None:
        self._begin, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self._over = False

    def step(self) -> None:
        """Return when the watchdog has checked once more."""
        assert self._waits.acquire(timeout=LIMIT)
        self._begin.release()
        assert self._waits.acquire(timeout=LIMIT)
        self._waits.release()  # it still waits

    def wait(self, timeout: float) -> bool:
        self._waits.release()
        return not self._begin.acquire(timeout=LIMIT) or self._over

    def set(self) -> None:
        self._over = True
        self._begin.release()


def test_each_block_has_its_own_limit_which_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    event = StepEvent()
    acts: list[float] = []
    current = threading.current_thread
    for name, stand_in in {
        "time": SimpleNamespace(monotonic=lambda: now),
        "threading": SimpleNamespace(
            Event=lambda: event, Thread=threading.Thread, current_thread=current
        ),
    }.items():
        monkeypatch.setattr(f"flowrun.media.ffmpeg.watchdog.{name}", stand_in)
    watchdog = Watchdog(lambda: acts.append(now))
    with watchdog.limit(5.0):
        now = 5.0
        event.step()
    now = 100.0  # no block is running
    event.step()
    with watchdog.limit(5.0):
        now = 105.0
        event.step()
    assert acts == []
    with watchdog.limit(5.0):
        now = 110.1
        event.set()
        watchdog.close()
    assert (acts, watchdog.expired) == ([], False)


def test_nothing_expires_after_close() -> None:
    acts: list[int] = []
    watchdog = Watchdog(lambda: acts.append(1))
    watchdog.close()
    with watchdog.limit(-1.0):
        pass
    assert (acts, watchdog.expired) == ([], False)
    assert "flowrun-watchdog" not in {thread.name for thread in threading.enumerate()}


def test_the_callback_may_close_the_watchdog() -> None:
    closed = threading.Event()

    def act() -> None:
        watchdog.close()
        closed.set()

    watchdog = Watchdog(act)
    with watchdog.limit(0.0):
        assert closed.wait(LIMIT)
    watchdog.close()
