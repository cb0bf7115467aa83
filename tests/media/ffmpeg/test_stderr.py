"""The cause of a failure is found among the messages of ffmpeg."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.media.ffmpeg.stderr import StderrLog

CAUSE = "[in#0 @ 0x55] [error] moov atom not found"
ECHOES = [
    "[error] Error opening input file a.mp4.",
    "[fatal] Error opening input files: Invalid data found when processing input",
    "[vist#0:0/h264 @ 0x55] [error] Task finished with error code: -22 (Invalid argument)",
    "[vist#0:0/h264 @ 0x55] [error] Terminating thread with return code -22 (Invalid argument)",
    "[out#0/nut @ 0x55] [error] Nothing was written into output file, because at least one of its"
    " streams received no packets.",
    "[fatal] Conversion failed!",
    "[vist#0:0/h264 @ 0x55] [error] Decode error rate 1 exceeds maximum 0.666667",
    "[vost#0:0/rawvideo @ 0x55] [error] Could not open encoder before EOF",
    "[fc#0 @ 0x55] [error] Cannot determine format of input 0:0 after EOF",
    "[fc#0 @ 0x55] [error] Error sending frames to consumers: Invalid argument",
    "[info] Stream mapping:",
    "[h264 @ 0x55] [warning] non-existing PPS 0 referenced",
]


def log_of(*lines: str) -> StderrLog:
    log = StderrLog()
    for line in lines:
        log.add(line)
    return log


@given(
    st.lists(st.sampled_from(ECHOES), max_size=100), st.lists(st.sampled_from(ECHOES), max_size=100)
)
def test_messages_that_only_follow_an_error_never_hide_its_cause(
    before: list[str], after: list[str]
) -> None:
    log = log_of(*before, CAUSE, *after)
    assert log.summary(1) == "moov atom not found"
    assert "moov atom not found" in log.errors()


@pytest.mark.parametrize("line", ECHOES[:10])
def test_without_a_cause_they_are_shown(line: str) -> None:
    assert log_of("[info] Input #0", line, "[info] frame= 0").summary(1) == line.rpartition("] ")[2]


def test_the_last_three_different_errors_are_shown() -> None:
    lines = [f"[h264 @ 0x5] [error] error {n}" for n in (1, 2, 3, 4, 4, 4)]
    assert log_of(*lines).summary(1) == "error 2; error 3; error 4"


def test_without_errors_the_signal_or_the_last_line_is_shown() -> None:
    log = log_of("[info] Input #0", "[info] frame= 7")
    assert log.summary(0) == "frame= 7"
    assert log.summary(-9) == "it was ended by signal 9 (Killed)"
    assert StderrLog().summary(1) == "it reported no error"


def test_no_user_info_is_shown() -> None:
    log = log_of("[fatal] rtsp://u:hunter2@h/a: refused")
    assert log.summary(1) == "rtsp://***@h/a: refused"
