"""What a run reports about the frames that it did not deliver."""

from __future__ import annotations

import numpy as np

from flowrun.errors import SinkError, TransportError
from flowrun.frame import Frame
from flowrun.ledger.fates import FAIL_CAUSES
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.losses import lost_frames, nothing_delivered


def captured(ledger: Ledger, number: int) -> list[Frame]:
    image = np.zeros((2, 2, 3), np.uint8)
    frames = [Frame(image, index, index / 30, 1 / 30, 100.0) for index in range(number)]
    for frame in frames:
        ledger.captured(frame)
    return frames


def test_a_run_that_delivers_everything_has_lost_nothing() -> None:
    ledger = Ledger()
    for frame in captured(ledger, 3):
        ledger.delivered(frame)
    assert lost_frames(ledger.counts()) is None
    assert nothing_delivered(ledger.counts()) is None


def test_a_run_without_a_frame_has_lost_nothing() -> None:
    assert lost_frames(Ledger().counts()) is None
    assert nothing_delivered(Ledger().counts()) is None


def test_a_frame_is_lost_to_anything_but_hooks_and_the_silence_of_the_model() -> None:
    ledger = Ledger()
    frames = captured(ledger, 9)
    ledger.dropped(frames[0], "hook", "preprocess[0]: my:hook returned None")
    ledger.dropped(frames[1], "no_response")
    assert lost_frames(ledger.counts()) is None
    ledger.superseded(frames[2])
    assert lost_frames(ledger.counts()) == (
        "1 of 9 frames lost (superseded 1), and backpressure: every_frame promises to deliver"
        " all; the first was frame 2: a newer frame took its place in a queue"
    )
    for frame, cause in zip(frames[3:8], FAIL_CAUSES, strict=True):
        ledger.failed(frame, cause)
    ledger.dropped(frames[8], "stale")
    text = lost_frames(ledger.counts())
    assert text is not None
    assert text.startswith(
        "5 of 9 frames lost (superseded 1, stale 1, transport 1, timeout 1, sink 1), and "
    )


def test_the_reason_is_that_of_the_earliest_frame_in_one_line() -> None:
    ledger = Ledger()
    frames = captured(ledger, 4)
    ledger.failed(frames[3], "transport", TransportError("too late"))
    ledger.failed(frames[2], "sink", SinkError("broken", key="sink[1]"))
    ledger.failed(frames[1], "transport", TransportError("one\n  two", hint="a hint"))
    for text in (lost_frames(ledger.counts()), nothing_delivered(ledger.counts())):
        assert text is not None
        assert text.endswith("the first was frame 1: transport: one two")


def test_the_reason_may_be_an_error_of_another_program() -> None:
    ledger = Ledger()
    (frame,) = captured(ledger, 1)
    ledger.failed(frame, "postprocess", ValueError("boom"))
    assert nothing_delivered(ledger.counts()) == (
        "no frame was delivered (postprocess 1); the first was frame 0: ValueError: boom"
    )


def test_a_run_whose_hook_drops_every_frame_has_delivered_nothing() -> None:
    ledger = Ledger()
    for frame in captured(ledger, 2):
        ledger.dropped(frame, "hook", "postprocess[0]: my:hook returned None")
    assert nothing_delivered(ledger.counts()) == (
        "no frame was delivered (hook 2); the first was frame 0: postprocess[0]: my:hook returned"
        " None"
    )


def test_a_frame_that_failed_says_more_than_one_that_was_dropped() -> None:
    ledger = Ledger()
    frames = captured(ledger, 3)
    ledger.superseded(frames[0])
    assert "frame 0: a newer frame" in str(nothing_delivered(ledger.counts()))
    ledger.dropped(frames[1], "hook", "preprocess[0]: my:hook returned None")
    assert "frame 1: preprocess[0]" in str(nothing_delivered(ledger.counts()))
    ledger.failed(frames[2], "sink", SinkError("broken", key="sink"))
    assert nothing_delivered(ledger.counts()) == (
        "no frame was delivered (superseded 1, hook 1, sink 1); the first was frame 2: sink: broken"
    )


def test_an_aborted_frame_is_lost_if_it_was_in_flight_at_the_deadline_of_a_stop() -> None:
    ledger = Ledger()
    frames = captured(ledger, 3)
    ledger.delivered(frames[0])
    ledger.close()
    assert lost_frames(ledger.counts()) is None
    assert lost_frames(ledger.counts(), timed_out=True) == (
        "2 of 3 frames lost (aborted 2), and backpressure: every_frame promises to deliver all;"
        " the run was stopped, and its deadline has passed"
    )


def test_a_frame_that_failed_says_more_than_one_that_was_aborted() -> None:
    ledger = Ledger()
    frames = captured(ledger, 2)
    ledger.failed(frames[0], "transport", TransportError("refused"))
    ledger.close()
    assert lost_frames(ledger.counts(), timed_out=True) == (
        "2 of 2 frames lost (transport 1, aborted 1), and backpressure: every_frame promises to"
        " deliver all; the first was frame 0: transport: refused"
    )
