"""One recording is finished while the next one is written."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from flowrun.errors import SinkError
from flowrun.media.sinks.finisher import Finisher


class SlowRecording:
    """Finishes when `may_end` is set."""

    def __init__(self, missing: int = 0, error: str = "") -> None:
        self.missing, self.error = missing, error
        self.may_end, self.ended = threading.Event(), threading.Event()

    def finish(self) -> None:
        assert self.may_end.wait(30)
        self.ended.set()
        if self.error:
            raise SinkError(self.error)

    def abort(self) -> None:
        self.may_end.set()


def test_starting_does_not_wait_and_a_second_recording_waits_for_the_first() -> None:
    done: list[str] = []
    finisher = Finisher(lambda: done.append("done"))
    first: Any = SlowRecording(missing=2)
    second: Any = SlowRecording(missing=3)
    finisher.start(first)
    finisher.check()
    assert not first.ended.is_set()
    threading.Timer(0.05, first.may_end.set).start()
    finisher.start(second)
    assert first.ended.is_set()
    assert not second.ended.is_set()
    second.may_end.set()
    finisher.wait()
    finisher.wait()
    assert (finisher.missing, done) == (5, ["done", "done"])


def test_an_error_is_raised_once_and_the_next_recording_is_finished_nevertheless() -> None:
    done: list[str] = []
    finisher = Finisher(lambda: done.append("done"))
    first: Any = SlowRecording(missing=1, error="full")
    second: Any = SlowRecording()
    first.may_end.set()
    second.may_end.set()
    finisher.start(first)
    with pytest.raises(SinkError, match="full"):
        finisher.start(second)
    finisher.wait()
    assert (finisher.missing, done, second.ended.is_set()) == (1, ["done"], True)


def test_an_error_is_raised_by_the_first_check_after_it() -> None:
    finisher = Finisher(lambda: None)
    recording: Any = SlowRecording(error="full")
    finisher.start(recording)
    thread = finisher._thread
    assert thread is not None
    recording.may_end.set()
    thread.join()
    with pytest.raises(SinkError, match="full"):
        finisher.check()
    finisher.check()


def test_an_abort_ends_the_recording_that_is_being_finished() -> None:
    finisher = Finisher(lambda: None)
    recording: Any = SlowRecording()
    finisher.abort()
    finisher.start(recording)
    finisher.abort()
    finisher.wait()
    assert recording.ended.is_set()
