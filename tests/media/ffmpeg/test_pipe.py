"""A picture is read whole, and not in more bites than need be."""

from __future__ import annotations

import pytest

from flowrun.media.ffmpeg.pipe import PAUSE, fill
from flowrun.media.ffmpeg.process import PIPE_BYTES

HALF = PIPE_BYTES // 2


class Pipe:
    """Gives as many bytes at a time as it is told, numbered by their read."""

    def __init__(self, *counts: int) -> None:
        self.counts = list(counts)
        self.reads = 0

    def readinto(self, memory: memoryview) -> int:
        if not self.counts:
            return 0
        count = self.counts.pop(0)
        assert count <= len(memory)
        self.reads += 1
        memory[:count] = bytes([self.reads]) * count
        return count


def test_the_bytes_follow_one_another() -> None:
    memory = bytearray(6)
    assert fill(Pipe(2, 1, 3), memoryview(memory), 0)
    assert memory == bytes([1, 1, 2, 3, 3, 3])


def test_a_pipe_that_ends_too_early_is_told() -> None:
    assert not fill(Pipe(2, 1), memoryview(bytearray(6)), 0)


@pytest.mark.parametrize(
    ("counts", "room", "pauses"),
    [
        ((HALF - 1, HALF, HALF + 1), PIPE_BYTES, 1),
        ((10, 20, 30), PIPE_BYTES, 2),  # none behind the last
        ((HALF, HALF), PIPE_BYTES, 0),
        ((10, 20, 30), PIPE_BYTES - 1, 0),  # a small pipe is full at once
        ((10, 20, 30), 0, 0),
    ],
)
def test_a_read_that_brought_little_lets_the_pipe_fill(
    counts: tuple[int, ...], room: int, pauses: int
) -> None:
    waited: list[float] = []
    assert fill(Pipe(*counts), memoryview(bytearray(sum(counts))), room, waited.append)
    assert waited == [PAUSE] * pauses
