"""One or several sinks, and one fate per frame all the same."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowrun.chain.queues import in_front_of, writer
from flowrun.chain.threads import RunThreads
from flowrun.errors import SinkError, SinkUnavailableError
from flowrun.frame import Frame
from flowrun.ledger.ledger import Ledger
from flowrun.media.protocols import LiveSink, Sink
from flowrun.operators.bounded import WhenFull
from flowrun.operators.occupancy import Occupancy
from flowrun.operators.scheduler import WaitableScheduler
from flowrun.spec.flow import Flow, SinkSpec

log = logging.getLogger("flowrun")


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits in front of a sink, and the thread that writes it."""

    capacity: int  # frames
    when_full: WhenFull
    on: WaitableScheduler
    waiting: Occupancy[Frame] = field(default_factory=Occupancy, compare=False)


@dataclass(slots=True, eq=False)
class SinkBranch:
    """A sink in the chain; without a `queue` it is written on the delivering thread. `error` is
    what it failed with for good."""

    key: str  # of the flow: `sink` or `sink[1]`
    sink: Sink
    queue: Queue | None = None
    error: SinkError | None = None
    delivered: int = 0
    dropped: int = 0
    failed: int = 0

    def counts(self) -> dict[str, Any]:
        """What the summary says of it."""
        repeated = self.sink.repeated if isinstance(self.sink, LiveSink) else 0
        reconnects = self.sink.reconnects if isinstance(self.sink, LiveSink) else 0
        return {
            "sink": self.key,
            "delivered": self.delivered,
            "dropped": self.dropped,
            "failed": self.failed,
            "repeated": repeated,
            "reconnects": reconnects,
        }


@dataclass(slots=True)
class _Undecided:
    sinks: int
    accepted: bool = False
    failed: bool = False


class FanOut:
    """All sinks of a run. A frame is delivered when the first one has accepted it; if none does,
    it failed if one failed with it, and was superseded otherwise.

    A sink that is away costs the frames of that time. One that fails for good is left out while
    there are others; its error is raised at the end (`errors`), and at once if it was the last.
    Any thread; holds one entry per frame that not all sinks have decided on.
    """

    def __init__(self, ledger: Ledger, branches: Sequence[SinkBranch]) -> None:
        self._ledger = ledger
        self._branches = tuple(branches)
        self._lock = threading.Lock()
        self._undecided: dict[int, _Undecided] = {}

    def __iter__(self) -> Iterator[SinkBranch]:
        return iter(self._branches)

    @property
    def errors(self) -> list[SinkError]:
        return [branch.error for branch in self._branches if branch.error is not None]

    def offer(self, frame: Frame) -> None:
        """`frame` is on its way to all of them."""
        with self._lock:
            self._undecided[frame.index] = _Undecided(len(self._branches))

    def write(self, branch: SinkBranch, frame: Frame) -> Frame:
        """Hand the frame to the sink."""
        if branch.error is not None:
            self._failed(branch, frame)
            return frame
        began = self._ledger.clock()
        try:
            branch.sink.write(frame)
        except SinkUnavailableError:
            self._failed(branch, frame)
        except SinkError as error:
            self._failed(branch, frame)
            self._left_out(branch, error)
        else:
            self._accepted(branch, frame, self._ledger.clock() - began)
        return frame

    def drop(self, branch: SinkBranch, frame: Frame) -> None:
        """A newer frame took its place in front of the sink."""
        with self._lock:
            branch.dropped += 1
            self._decide(frame, self._undecided[frame.index])

    def tick(self, branch: SinkBranch) -> None:
        """Let a live sink do what it does between frames."""
        if branch.error is None and isinstance(branch.sink, LiveSink):
            try:
                branch.sink.tick()
            except SinkUnavailableError:
                return  # no frame is lost by it; the next one will tell
            except SinkError as error:
                self._left_out(branch, error)

    def _left_out(self, branch: SinkBranch, error: SinkError) -> None:
        branch.error = error
        if len(self.errors) == len(self._branches):
            raise error
        log.error("%s; going on without it", error)

    def _accepted(self, branch: SinkBranch, frame: Frame, seconds: float) -> None:
        with self._lock:
            branch.delivered += 1
            undecided = self._undecided[frame.index]
            if not undecided.accepted:
                undecided.accepted = True
                self._ledger.took("sink", seconds, frame)
                self._ledger.delivered(frame)
            self._decide(frame, undecided)

    def _failed(self, branch: SinkBranch, frame: Frame) -> None:
        with self._lock:
            branch.failed += 1
            undecided = self._undecided[frame.index]
            undecided.failed = True
            self._decide(frame, undecided)

    def _decide(self, frame: Frame, undecided: _Undecided) -> None:
        undecided.sinks -= 1
        if undecided.sinks:
            return
        del self._undecided[frame.index]
        if undecided.accepted:
            return
        if undecided.failed:
            self._ledger.failed(frame, "sink")
        else:
            self._ledger.superseded(frame)


def queue_for(spec: SinkSpec, flow: Flow, threads: RunThreads, *, several: bool) -> Queue | None:
    """The queue in front of a sink of `flow` (see `queues`), and its thread, which runs at once."""
    room = in_front_of(spec, flow, several=several)
    if room is None:
        return None
    name = writer(spec)
    on = threads.main if name == "main" else threads.thread(name)
    return Queue(room.capacity, room.when_full, on)
