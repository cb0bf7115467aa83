"""What the rest of flowrun asks of a source and of a sink. Nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from flowrun.frame import Frame, VideoInfo


class Source(Protocol):
    """Frames to iterate over, once, on one thread. Making one does nothing yet.

    `reconnects` counts how often it was opened again; `unavailable_since` is the local time since
    which it gives no frames, `None` while it does. Both may be read by any thread.
    """

    @property
    def reconnects(self) -> int: ...
    @property
    def unavailable_since(self) -> datetime | None: ...

    def open(self) -> VideoInfo | None:
        """Wait for the first frame; `None` if `stop` comes before it. Raises `SourceError`.
        Once, before the iteration."""

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order, read-only. Blocks for the next one, but never without an end.

        Raises `SourceError` after the last good frame if the source fails. Asks the source for a
        frame only when asked for one: whoever is slow makes the source wait.
        """

    def stop(self) -> None:
        """End `open`, or the iteration (normally) before the next frame, also when it is blocked.
        Idempotent, from any thread, does not wait."""

    def close(self) -> None:
        """`stop`, and leave no process, thread or descriptor behind. Idempotent, bounded."""


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What a sink may know of the run that feeds it.

    `info` tells rate, time base and colours of the source; `color` the order of the frames'
    channels; `key` where the sink stands in the flow, for errors; `name` what the flow is called.
    `stop` ends the run as a Ctrl-C does: from any thread, without waiting. `unavailable_since` says
    since when (local time) the source has been away and a live sink should show a placeholder.
    `status` is what the run is doing, as `Run.status` says it, from any thread.
    """

    info: VideoInfo
    color: Literal["rgb", "bgr"] = "rgb"
    key: str = "sink"
    name: str = "flowrun"
    stop: Callable[[], None] = lambda: None
    unavailable_since: Callable[[], datetime | None] = lambda: None
    status: Callable[[], dict[str, Any]] = dict


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


@runtime_checkable
class LiveSink(Sink, Protocol):
    """A sink that has something to do between frames.

    `every` is the time between ticks in seconds; `repeated` counts pictures that were shown again
    to fill the time, `reconnects` how often the sink was lost and came back.
    """

    every: float
    repeated: int
    reconnects: int

    def tick(self) -> None:
        """Called about `every` seconds, on the thread that writes. Must not block for longer than
        a write may. Raises `SinkError`."""


@runtime_checkable
class RemoteSink(Sink, Protocol):
    """A sink at an `address` (without secrets) that may become unavailable. `unavailable_since` is
    the local time since which it has been, `None` while it is available. Any thread reads both."""

    address: str
    unavailable_since: datetime | None
