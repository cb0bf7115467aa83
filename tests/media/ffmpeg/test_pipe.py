"""A picture is read whole, with few reads."""

from __future__ import annotations

import pytest

from flowrun.media.ffmpeg.pipe import PAUSE, PIPE_BYTES, read_full

HALF = PIPE_BYTES // 2


class Pipe:
    """Returns `counts` bytes, one count per read; each byte is the number of its read."""

    def __init__(self, *counts: int) -> None:
        self.counts = list(counts)
        self.reads = 0

    def readinto(self, buffer: memoryview) -> int:
        if not self.counts:
            return 0
        count = self.counts.pop(0)
        assert count <= len(buffer)
        self.reads += 1
        buffer[:count] = bytes([self.reads]) * count
        return count


def test_the_bytes_follow_one_another() -> None:
    buffer = bytearray(6)
    assert read_full(Pipe(2, 1, 3), memoryview(buffer), 0)
    assert buffer == bytes([1, 1, 2, 3, 3, 3])


def test_a_pipe_that_ends_too_early_is_reported() -> None:
    assert not read_full(Pipe(2, 1), memoryview(bytearray(6)), 0)


@pytest.mark.parametrize(
    ("counts", "capacity", "pauses"),
    [
        ((HALF - 1, HALF, HALF + 1), PIPE_BYTES, 1),
        ((10, 20, 30), PIPE_BYTES, 2),  # none after the last
        ((HALF, HALF), PIPE_BYTES, 0),
        ((10, 20, 30), PIPE_BYTES - 1, 0),  # a small pipe is full at once
        ((10, 20, 30), 0, 0),
    ],
)
def test_a_short_read_is_followed_by_a_pause_for_the_pipe_to_fill(
    counts: tuple[int, ...], capacity: int, pauses: int
) -> None:
    waited: list[float] = []
    assert read_full(Pipe(*counts), memoryview(bytearray(sum(counts))), capacity, waited.append)
    assert waited == [PAUSE] * pauses
