"""Write every frame to one or several sinks, and decide its one fate."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowrun.chain.queues import sink_queue, writer
from flowrun.chain.threads import RunThreads
from flowrun.errors import SinkError, SinkUnavailableError
from flowrun.frame import Frame
from flowrun.ledger.ledger import Ledger
from flowrun.media.protocols import FateSink, FileSink, LiveSink, RemoteSink, Sink
from flowrun.media.when import When
from flowrun.operators.bounded import WhenFull
from flowrun.operators.occupancy import Occupancy
from flowrun.operators.scheduler import WaitableScheduler
from flowrun.spec.flow import Flow, SinkSpec

log = logging.getLogger("flowrun")


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue of a sink, and the thread that writes it."""

    capacity: int  # frames
    when_full: WhenFull
    on: WaitableScheduler
    waiting: Occupancy[Frame] = field(default_factory=Occupancy, compare=False)


@dataclass(slots=True, eq=False)
class SinkBranch:
    """A sink in the chain; without a `queue` it is written on the delivering thread. `error` is
    the error that ended it. Frames that `when` does not select are not written."""

    key: str  # of the flow: `sink` or `sink[1]`
    sink: Sink
    queue: Queue | None = None
    when: When = field(default_factory=When)
    error: SinkError | None = None
    delivered: int = 0
    dropped: int = 0
    failed: int = 0

    def counts(self) -> dict[str, Any]:
        """The summary's entry of the sink."""
        repeated = self.sink.repeated if isinstance(self.sink, LiveSink) else 0
        reconnects = self.sink.reconnects if isinstance(self.sink, RemoteSink) else 0
        return {
            "sink": self.key,
            "delivered": self.delivered,
            "dropped": self.dropped,
            "failed": self.failed,
            "repeated": repeated,
            "reconnects": reconnects,
        }


@dataclass(frozen=True, slots=True)
class FateBranch:
    """A sink for lines beside others: it gets the fates of the frames, and not the frames. A frame
    that is delivered and has its line counts as delivered, without its line as failed."""

    key: str
    sink: FateSink

    @property
    def error(self) -> SinkError | None:
        return self.sink.error

    def counts(self) -> dict[str, Any]:
        """The summary's entry of the sink."""
        sink = self.sink
        branch = SinkBranch(self.key, sink, delivered=sink.delivered, failed=sink.failed)
        return branch.counts()


@dataclass(slots=True)
class _Undecided:
    sinks: int  # that have not decided yet
    skipped: int = 0  # sinks that do not select the frame
    accepted: bool = False
    error: SinkError | None = None  # of a sink that failed


class FanOut:
    """All sinks of a run. A frame is delivered when the first sink has accepted it, or when no sink
    selects it. Otherwise it has failed if one sink failed with it, or was superseded.

    Frames fail while a sink is unavailable. A sink with a permanent error gets no more frames while
    there are others; its error is raised at the end (`errors`), or at once if it was the last one.
    Any thread; holds one entry per frame that not all sinks have decided on.
    """

    def __init__(
        self,
        ledger: Ledger,
        branches: Sequence[SinkBranch],
        look: Callable[[Frame], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._look = look
        self._branches = tuple(branches)
        self._lock = threading.Lock()
        self._undecided: dict[int, _Undecided] = {}

    def __iter__(self) -> Iterator[SinkBranch]:
        return iter(self._branches)

    @property
    def errors(self) -> list[SinkError]:
        return [branch.error for branch in self._branches if branch.error is not None]

    def offer(self, frame: Frame) -> None:
        """Register `frame` before it goes to the sinks, and have `look` look at it."""
        self._look(frame)
        with self._lock:
            self._undecided[frame.index] = _Undecided(len(self._branches))

    def write(self, branch: SinkBranch, frame: Frame) -> Frame:
        """Write `frame` to the sink, if it is selected, and return it."""
        if not branch.when(frame.data):
            self._skip(frame)
            return frame
        if branch.error is not None:
            self._failed(branch, frame, branch.error)
            return frame
        began = self._ledger.clock()
        try:
            branch.sink.write(frame)
        except SinkUnavailableError as error:
            self._failed(branch, frame, error)
        except SinkError as error:
            self._failed(branch, frame, error)
            self._disable(branch, error)
        else:
            self._accepted(branch, frame, self._ledger.clock() - began)
        return frame

    def drop(self, branch: SinkBranch, frame: Frame) -> None:
        """A newer frame replaced `frame` in the queue of the sink."""
        with self._lock:
            branch.dropped += 1
            self._decide(frame, self._undecided[frame.index])

    def tick(self, branch: SinkBranch) -> None:
        """Let a live sink do what it does between frames."""
        if branch.error is None and isinstance(branch.sink, LiveSink):
            try:
                branch.sink.tick()
            except SinkUnavailableError:
                return  # costs no frame; the next write reports it
            except SinkError as error:
                self._disable(branch, error)

    def _disable(self, branch: SinkBranch, error: SinkError) -> None:
        branch.error = error
        if len(self.errors) == len(self._branches):
            raise error
        log.error("%s; continuing without it", error)

    def _accepted(self, branch: SinkBranch, frame: Frame, seconds: float) -> None:
        with self._lock:
            branch.delivered += 1
            undecided = self._undecided[frame.index]
            if not undecided.accepted:
                undecided.accepted = True
                self._ledger.took("sink", seconds, frame)
                self._ledger.delivered(frame)
            self._decide(frame, undecided)

    def _skip(self, frame: Frame) -> None:
        """The sink does not select `frame`."""
        with self._lock:
            undecided = self._undecided[frame.index]
            undecided.skipped += 1
            self._decide(frame, undecided)

    def _failed(self, branch: SinkBranch, frame: Frame, error: SinkError) -> None:
        with self._lock:
            branch.failed += 1
            undecided = self._undecided[frame.index]
            undecided.error = undecided.error or error
            self._decide(frame, undecided)

    def _decide(self, frame: Frame, undecided: _Undecided) -> None:
        undecided.sinks -= 1
        if undecided.sinks:
            return
        del self._undecided[frame.index]
        if undecided.accepted:
            return
        if undecided.error is not None:
            self._ledger.failed(frame, "sink", undecided.error)
        elif undecided.skipped == len(self._branches):
            self._ledger.delivered(frame)
        else:
            self._ledger.superseded(frame)


def recount(ledger: Ledger, branches: Sequence[SinkBranch]) -> None:
    """Count frames as failed that a sink accepted and that are not in its file after all. Call it
    when the sinks are closed."""
    before = max((branch.delivered for branch in branches), default=0)
    for branch in branches:
        if isinstance(branch.sink, FileSink):
            branch.delivered -= branch.sink.missing
            branch.failed += branch.sink.missing
    # A frame that another sink has is delivered.
    ledger.retract(before - max((branch.delivered for branch in branches), default=0))


def queue_for(spec: SinkSpec, flow: Flow, threads: RunThreads, *, several: bool) -> Queue | None:
    """The queue of a sink of `flow` (see `queues`), with its thread, which starts at once."""
    queue = sink_queue(spec, flow, several=several)
    if queue is None:
        return None
    name = writer(spec)
    on = threads.main if name == "main" else threads.thread(name)
    return Queue(queue.capacity, queue.when_full, on)
