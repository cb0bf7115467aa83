"""The threads of a run end together, and the caller gets the error of any of them."""

from __future__ import annotations

import threading

import pytest

from flowrun.chain.threads import RunThreads

LIMIT = 20.0  # seconds, a guard against hanging


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_each_loop_has_a_thread_of_its_own_and_the_main_one_is_the_callers() -> None:
    threads = RunThreads()
    seen: dict[str, str] = {}
    done = threading.Event()

    def note(name: str) -> None:
        seen[name] = threading.current_thread().name

    first, second = threads.thread("source"), threads.thread("sink-rtsp")
    first.schedule(lambda *_: note("first"))
    second.schedule(lambda *_: note("second"))
    second.schedule(lambda *_: done.set())
    assert done.wait(LIMIT)
    threads.main.schedule(lambda *_: note("main"))
    threads.main.stop()
    threads.main.run()
    assert threads.stop(LIMIT)
    assert seen == {
        "first": "flowrun-source",
        "second": "flowrun-sink-rtsp",
        "main": threading.current_thread().name,
    }
    assert not {"flowrun-source", "flowrun-sink-rtsp"} & names()


def test_what_a_thread_raises_is_raised_by_the_caller() -> None:
    threads = RunThreads()

    def fail(*_: object) -> None:
        raise ValueError("torn")

    threads.thread("quiet")
    threads.thread("source").schedule(fail)
    with pytest.raises(ValueError, match=r"^torn$"):
        threads.main.run()
    assert threads.stop(LIMIT)
    assert not {"flowrun-quiet", "flowrun-source"} & names()


def test_a_thread_that_does_not_end_is_reported_and_the_others_end_all_the_same() -> None:
    threads = RunThreads()
    held, running = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        running.set()
        held.wait(LIMIT)

    stuck, other = threads.thread("stuck"), threads.thread("other")
    stuck.schedule(hold)
    assert running.wait(LIMIT)
    assert not threads.stop(0.0)
    assert other.join(LIMIT)
    held.set()
    assert threads.stop(LIMIT)


def test_stop_without_threads_returns_true() -> None:
    assert RunThreads().stop(0.0)
