"""A run that is stopped, aborted or closed and does not end is reported once."""

from __future__ import annotations

import threading

import pytest

from flowrun.chain import shutdown
from flowrun.chain.shutdown import Shutdown

LIMIT = 20.0  # seconds, a guard against hanging


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "OVERDUE", 0.01)
    monkeypatch.setattr(shutdown, "CLOSE_TIMEOUT", 0.01)


def watched(grace: float) -> tuple[Shutdown, threading.Event, list[str]]:
    done: list[str] = []
    overdue = threading.Event()
    found = Shutdown(grace)
    found.when_stopped(lambda: done.append("stopped"))
    found.when_aborted(lambda: done.append("aborted"))
    found.when_overdue(overdue.set)
    return found, overdue, done


def test_a_stop_becomes_an_abort_and_then_the_run_is_overdue() -> None:
    # Long enough for the actions of the stop, also on a machine that pauses this thread.
    run, overdue, done = watched(grace=0.5)
    run.stop()
    assert overdue.wait(LIMIT)
    assert done == ["stopped", "aborted"]
    assert run.timed_out


def test_an_abort_by_the_user_is_no_timeout() -> None:
    run, overdue, _ = watched(grace=0.01)
    run.abort()
    assert overdue.wait(LIMIT)
    run.stop()
    assert not run.timed_out


def test_a_failed_run_is_aborted_after_the_grace() -> None:
    run, overdue, _ = watched(grace=0.01)
    run.limit()
    assert overdue.wait(LIMIT)
    assert run.aborted


def test_a_run_whose_hooks_do_not_close_is_overdue() -> None:
    run, overdue, done = watched(grace=1000)
    run.closing()
    assert overdue.wait(LIMIT)
    assert done == []
    run.close()


def test_an_action_that_blocks_does_not_hold_up_the_report() -> None:
    run, overdue, _ = watched(grace=1000)
    held = threading.Event()

    def block() -> None:
        held.wait(LIMIT)

    run.when_aborted(block)
    thread = threading.Thread(target=run.abort)
    thread.start()
    assert overdue.wait(LIMIT)
    held.set()
    thread.join()
    run.close()


def test_a_run_that_has_ended_is_not_overdue() -> None:
    run, overdue, _ = watched(grace=1000)
    run.stop()
    run.close()
    run.abort()
    assert run.aborted
    assert not overdue.wait(0.1)
