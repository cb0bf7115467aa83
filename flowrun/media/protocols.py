"""The interfaces of sources and sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable

from flowrun.errors import SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.media import pixel_aspect
from flowrun.media.claims import Claims
from flowrun.media.sound_queue import SoundQueue
from flowrun.media.when import When


class Source(Protocol):
    """An iterable of frames, for one iteration on one thread. `__init__` opens nothing.

    `reconnects` counts how often it was reopened; `unavailable_since` is the local time since which
    it yields no frames, `None` while it does; `unavailable_s` for how many seconds it has been
    unavailable altogether. Any thread may read them.
    """

    @property
    def reconnects(self) -> int: ...
    @property
    def unavailable_since(self) -> datetime | None: ...
    @property
    def unavailable_s(self) -> float: ...

    def open(self) -> VideoInfo | None:
        """Wait for the first frame; `None` if `stop` is called before it. Raises `SourceError`.
        Once, before the iteration."""

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order, read-only. Blocks for the next one, for a bounded time.

        Raises `SourceError` after the last good frame if the source fails. A frame is read only
        when it is requested: a slow consumer makes the source wait.
        """

    def stop(self) -> None:
        """End `open`, or end the iteration normally before the next frame, also when it is
        blocked. Idempotent, from any thread, does not wait."""

    def close(self) -> None:
        """`stop`, and release all processes, threads and descriptors. Idempotent, bounded."""


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source knows of its run: images are made in memory of `buffers`; `sound` asks for the
    sound of the source, attached to its frames."""

    buffers: Buffers = field(default_factory=Buffers)
    sound: bool = False


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What a sink knows of its run.

    `info` has the size, rate, time base, colours and pixel aspect of the source; `color` is the
    order of the frames' channels; `key` is that of the sink in the flow, for errors; `name` is that
    of the flow; `run` is the number of the run; `when` selects the frames that the sink writes.
    `stop` ends the run as a Ctrl-C does: from any thread, without waiting.
    `unavailable_since` returns the local time since which the source is unavailable and a live sink
    should show a placeholder. `status` returns `Run.status`, from any thread. `claims` are those of
    the run. `sound` is what a sink that copies the sound writes, `None` if it writes none.
    """

    info: VideoInfo
    color: Literal["rgb", "bgr"] = "rgb"
    key: str = "sink"
    name: str = "flowrun"
    run: str = ""
    when: When = field(default_factory=When)
    stop: Callable[[], None] = lambda: None
    unavailable_since: Callable[[], datetime | None] = lambda: None
    status: Callable[[], dict[str, Any]] = dict
    claims: Claims = field(default_factory=Claims)
    sound: SoundQueue | None = None

    def of_frame(self, frame: Frame) -> SinkContext:
        """The same, with the pixel aspect of `frame`."""
        aspect = pixel_aspect.of_frame(frame, self.info)
        return replace(self, info=replace(self.info, pixel_aspect=aspect))


class Sink(Protocol):
    """A destination for frames, written one at a time on one thread."""

    def write(self, frame: Frame) -> None:
        """Write one frame; blocks while the sink is busy. Raises `SinkError`. The first frame
        decides the size."""

    def close(self) -> None:
        """Finish the output, which then plays under its final name. Raises `SinkError`.
        Idempotent, bounded, not concurrent with `write`."""

    def abort(self) -> None:
        """End at once, from any thread: a blocked `write` raises `SinkError`. Within half a second
        all threads and processes of the sink have ended, and its finished output plays.
        Idempotent."""


@runtime_checkable
class LiveSink(Sink, Protocol):
    """A sink with work to do between frames.

    `every` is the time between ticks in seconds; `repeated` counts frames that were repeated where
    one was missing.
    """

    every: float
    repeated: int

    def tick(self) -> None:
        """Called about every `every` seconds, on the thread that writes. Must not block for longer
        than `write` may. Raises `SinkError`."""


@runtime_checkable
class FileSink(Sink, Protocol):
    """A sink that writes a file. `missing` is how many frames `write` has accepted that are not in
    the file, because it could not be finished: known after `close`."""

    missing: int


@runtime_checkable
class RemoteSink(Sink, Protocol):
    """A sink at a network `address` (without secrets). `unavailable_since` is the local time since
    which it is unavailable, `None` while it is available; `unavailable_s` for how many seconds it
    has been unavailable altogether; `reconnects` how often it became available again. Any thread
    may read them."""

    address: str
    reconnects: int

    @property
    def unavailable_since(self) -> datetime | None: ...
    @property
    def unavailable_s(self) -> float: ...


class Fate(Protocol):
    """The fate of a frame, as the ledger reports it. `took` maps stages to seconds."""

    @property
    def index(self) -> int: ...
    @property
    def time(self) -> float: ...
    @property
    def fate(self) -> str: ...
    @property
    def cause(self) -> str | None: ...
    @property
    def took(self) -> Mapping[str, float]: ...
    @property
    def data(self) -> Mapping[str, Any]: ...


@runtime_checkable
class FateSink(Sink, Protocol):
    """A sink that writes a line about every frame. Beside sinks for pictures it gets no frames.

    `delivered` and `failed` count the delivered frames with and without their line; `error` is
    what ended it, after which no more lines are written.
    """

    delivered: int
    failed: int
    error: SinkError | None

    def note(self, fate: Fate) -> None:
        """Write the line of `fate`. From any thread, quick; does not raise."""
