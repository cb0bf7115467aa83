"""Lines for a receiver that is slow, unavailable, or does not accept them."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from flowrun.errors import SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.media.lines import line_queue, queued
from flowrun.media.lines.line_queue import Line
from flowrun.media.lines.queued import BrokenError, QueuedLines, RefusedError, UnavailableError
from flowrun.media.protocols import FateSink, RemoteSink, SinkContext
from flowrun.spec.flow import Reconnect, SinkSpec

FRAME = Frame(np.zeros((2, 4, 3), np.uint8), 0, 0.0, 0.0, 0.0)
AT_ONCE = Reconnect(initial=0.001, maximum=0.001)
WITHIN = 20.0  # seconds until a test gives up


@dataclass(frozen=True)
class Fate:
    index: int = 0
    fate: str = "delivered"
    data: Mapping[str, Any] = field(default_factory=dict)
    time: float = 0.0
    cause: str | None = None
    took: Mapping[str, float] = field(default_factory=dict)


class Receiver(QueuedLines):
    """Does with the lines what the test has set; `sent` has the batches that arrived."""

    def __init__(self, *, batch: int = 1, reconnect: Reconnect = AT_ONCE) -> None:
        spec = SinkSpec("mqtt://user:secret@broker/topic", reconnect=reconnect)
        super().__init__(spec, SinkContext(VideoInfo(4, 2), run="r"), batch=batch)
        self.sent: list[list[int]] = []
        self.attempts: list[list[int]] = []
        self.errors: list[Exception] = []
        self.may_send = threading.Event()
        self.may_send.set()
        self.closed = threading.Event()
        self.attempted = threading.Event()
        self.start()

    def send(self, lines: Sequence[Line]) -> None:
        self.may_send.wait(WITHIN)
        self.attempts.append([line.index for line in lines])
        self.attempted.set()
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append([json.loads(line.text)["index"] for line in lines])

    def disconnect(self) -> None:
        self.closed.set()

    def interrupt(self) -> None:
        self.may_send.set()

    def until(self, condition: Callable[[], bool]) -> None:
        with self._queue._changed:
            assert self._queue._changed.wait_for(condition, WITHIN)


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    made: list[Receiver] = []

    def make(**options: Any) -> Receiver:
        made.append(Receiver(**options))
        return made[-1]

    yield make
    for each in made:
        each.abort()
        assert each.closed.wait(WITHIN)


def test_it_is_a_sink_for_fates_at_an_address_without_secrets(receiver: Any) -> None:
    sink = receiver()
    assert isinstance(sink, FateSink)
    assert isinstance(sink, RemoteSink)
    assert sink.address == "mqtt://***@broker/topic"


def test_lines_arrive_in_order_and_all_before_close_returns(receiver: Any) -> None:
    sink = receiver()
    for index in range(50):
        sink.note(Fate(index, "delivered" if index % 2 else "dropped"))
    sink.close()
    assert sink.sent == [[index] for index in range(50)]
    assert (sink.delivered, sink.failed, sink.missing) == (25, 0, 0)
    assert sink.closed.is_set()


def test_a_batch_has_what_waits(receiver: Any) -> None:
    sink = receiver(batch=4)
    sink.may_send.clear()
    for index in range(6):
        sink.note(Fate(index))
    sink.may_send.set()
    sink.close()
    assert [index for batch in sink.sent for index in batch] == list(range(6))
    assert max(map(len, sink.sent)) <= 4


def test_what_does_not_fit_is_lost_and_counted_without_waiting(
    receiver: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(line_queue, "MAX_LINES", 3)
    sink = receiver()
    sink.may_send.clear()
    for index in range(10):
        sink.note(Fate(index, "delivered" if index != 9 else "dropped"))
    sink.may_send.set()
    with caplog.at_level(logging.WARNING, "flowrun"):
        sink.close()
    assert sink.sent == [[0], [1], [2]]
    assert (sink.delivered, sink.failed, sink.missing) == (3, 6, 6)
    assert "7 lines were not sent to mqtt://***@broker/topic" in caplog.text


def test_large_lines_are_bounded_in_bytes(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_queue, "MAX_BYTES", 10_000)
    sink = receiver()
    sink.may_send.clear()
    for index in range(9):
        sink.note(Fate(index, data={"text": "x" * 6000}))
    sink.may_send.set()
    sink.close()
    assert sink.sent == [[0], [1]]


def test_as_the_only_sink_it_makes_the_frames_wait(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_queue, "MAX_LINES", 2)
    sink = receiver()
    sink.may_send.clear()
    written: list[int] = []

    def deliver() -> None:
        for index in range(6):
            sink.write(FRAME)
            written.append(index)
            sink.note(Fate(index))

    thread = threading.Thread(target=deliver)
    thread.start()
    sink.until(lambda: len(sink._queue) == 2)
    assert len(written) <= 2
    sink.may_send.set()
    thread.join(WITHIN)
    sink.close()
    assert sink.sent == [[index] for index in range(6)]
    assert sink.failed == 0


def test_lines_wait_for_a_receiver_that_is_unavailable(
    receiver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sink = receiver(batch=2)
    sink.may_send.clear()
    sink.errors = [UnavailableError("no route"), UnavailableError("still none")]
    with caplog.at_level(logging.INFO, "flowrun"):
        for index in range(4):
            sink.note(Fate(index))
        sink.may_send.set()
        sink.close()
    assert [index for batch in sink.sent for index in batch] == [0, 1, 2, 3]
    assert sink.attempts[0] == sink.attempts[1] == sink.attempts[2]  # repeated unchanged
    assert sink.reconnects == 1
    assert sink.unavailable_since is None
    assert sink.unavailable_s > 0
    told = [record.message for record in caplog.records]
    assert told == [
        "sink: mqtt://***@broker/topic is unavailable: no route; lines wait for it",
        "sink: mqtt://***@broker/topic is available again",
    ]


def test_close_does_not_wait_for_ever_for_a_receiver_that_is_unavailable(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "FLUSH", 0.05)
    sink = receiver(reconnect=Reconnect(initial=60, maximum=60))
    sink.errors = [UnavailableError("no route")] * 99
    sink.note(Fate(0))
    assert sink.attempted.wait(WITHIN)
    sink.close()
    assert (sink.delivered, sink.missing) == (0, 1)


def test_lines_that_are_being_sent_when_close_gives_up_are_lost_once(
    receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queued, "FLUSH", 0.01)
    monkeypatch.setattr(queued, "GRACE", 0.01)
    sink = receiver()
    sink.may_send.clear()
    for index in range(3):
        sink.note(Fate(index))
    sink.close()  # and lets the line arrive only after that
    assert sink.closed.wait(WITHIN)
    assert (sink.delivered, sink.missing) == (0, 3)


def test_a_line_that_is_refused_costs_only_itself(
    receiver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sink = receiver()
    sink.may_send.clear()
    sink.errors = [RefusedError("HTTP status 422")]
    for index in range(3):
        sink.note(Fate(index))
    sink.may_send.set()
    sink.close()
    assert sink.sent == [[1], [2]]
    assert (sink.delivered, sink.failed) == (2, 1)
    assert "HTTP status 422; the line is lost" in caplog.text


@pytest.mark.parametrize(
    ("error", "reconnect", "message"),
    [
        (BrokenError("the pipe is closed"), AT_ONCE, "the pipe is closed"),
        (
            UnavailableError("no route"),
            Reconnect(initial=0.001, maximum=0.001, give_up_after=1e-9),
            "mqtt://***@broker/topic is unavailable: no route",
        ),
    ],
)
def test_a_receiver_that_is_given_up_is_an_error_of_the_sink(
    receiver: Any, error: Exception, reconnect: Reconnect, message: str
) -> None:
    sink = receiver(reconnect=reconnect)
    sink.may_send.clear()
    sink.errors = [error] * 99
    sink.note(Fate(0))
    sink.may_send.set()
    sink.until(lambda: sink.error is not None)
    with pytest.raises(SinkError, match=re.escape(message)):
        sink.write(FRAME)
    sink.note(Fate(1))  # is lost, and does not wait
    with pytest.raises(SinkError):
        sink.close()
    sink.close()  # the error is raised once
    assert sink.failed == 2


def test_abort_ends_a_send_that_is_blocked(receiver: Any) -> None:
    sink = receiver()
    sink.may_send.clear()
    sink.note(Fate(0))
    sink.abort()
    assert sink.closed.wait(WITHIN)
