"""A picture out of a pipe, with few wake-ups."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from flowrun.media.ffmpeg.process import PIPE_BYTES

PAUSE = 0.0003  # seconds in which ffmpeg fills a good part of the pipe, if it has something to say


def fill(
    pipe: Any, memory: memoryview, room: int, pause: Callable[[float], object] = time.sleep
) -> bool:
    """Read until `memory` is full; false if the pipe ends before that. Blocks for its other end.

    `room` is what the pipe holds, in bytes. ffmpeg writes 32 KiB at a time, and to be woken for
    each of them costs more than to copy them. So after a read that brought less than half of what
    the pipe holds this waits for `PAUSE`; not with a small pipe, which is full before that.
    """
    little = room // 2 if room >= PIPE_BYTES else 0
    while memory:
        count = pipe.readinto(memory)
        if not count:
            return False
        memory = memory[count:]
        if memory and count < little:
            pause(PAUSE)
    return True
