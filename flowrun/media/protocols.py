"""What the rest of flowrun asks of a source and of a sink. Nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from flowrun.frame import Frame, VideoInfo


class Source(Protocol):
    """Frames to iterate over, once, on one thread."""

    info: VideoInfo

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order, read-only. Blocks for the next one, but never without an end.

        Raises `SourceError` after the last good frame if the source fails. Asks the source for a
        frame only when asked for one: whoever is slow makes the source wait.
        """

    def stop(self) -> None:
        """End the iteration (normally) before the next frame, also when it is blocked in a read.
        Idempotent, from any thread, does not wait."""

    def close(self) -> None:
        """`stop`, and leave no process, thread or descriptor behind. Idempotent, bounded."""


class Sink(Protocol):
    """Somewhere to write frames, one after the other, on one thread."""

    def write(self, frame: Frame) -> None:
        """Take one frame; blocks while the sink is busy. Raises `SinkError`. The first frame
        decides the size."""

    def close(self) -> None:
        """Finish: what was written is playable under its final name. Raises `SinkError`.
        Idempotent, bounded, not concurrent with `write`."""

    def abort(self) -> None:
        """Give up now, from any thread: a blocked `write` raises `SinkError`. Within half a second
        nothing of the sink runs any more, and what it had finished still plays. Idempotent."""
