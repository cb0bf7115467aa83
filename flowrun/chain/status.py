"""The status of a run: its state, its counters, its queues and its unavailable parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal
from uuid import uuid4

from flowrun.chain.expectations import Watch
from flowrun.chain.fan_out import FateBranch, SinkBranch
from flowrun.chain.shutdown import Shutdown
from flowrun.errors import LedgerError, one_line
from flowrun.frame import Frame, VideoInfo
from flowrun.kserve.client.address_states import AddressStates
from flowrun.kserve.client.outage import OutageTransport
from flowrun.ledger.expectations import Finding, broken
from flowrun.ledger.fates import DROP_CAUSES, FAIL_CAUSES
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.losses import EXIT_CODE, lost_frames
from flowrun.ledger.summary import Summary, summarize
from flowrun.media.protocols import RemoteSink, Source
from flowrun.media.when import When
from flowrun.operators.limit import Limit
from flowrun.operators.occupancy import Occupancy
from flowrun.spec.flow import Flow
from flowrun.spec.secrets import redact
from flowrun.system.downtime import Downtime
from flowrun.system.usage import cpu_seconds, peak_memory

State = Literal["starting", "running", "stopping", "ended"]


class Status:
    """The state of a run, readable by any thread; the run stores here what it has opened.

    Reading costs nothing per frame and does not block. Secrets of the flow are redacted.
    """

    def __init__(self, flow: Flow, ledger: Ledger, shutdown: Shutdown) -> None:
        self.flow = flow
        self.run = uuid4().hex[:12]  # the number of the run, unique among those of all machines
        self.ledger = ledger
        self.window = Limit(1)  # until it is known whether frames may be dropped
        self.buffer: Occupancy[Frame] = Occupancy()  # before preprocessing
        self.source: Source | None = None
        self.info: VideoInfo | None = None  # once the source is open
        self.transport: OutageTransport | None = None
        self.addresses = AddressStates()
        self.server_wait = Downtime()  # of the model server, before the transport is open
        self.branches: tuple[SinkBranch, ...] = ()
        self.fate_branches: tuple[FateBranch, ...] = ()
        self.selections: dict[str, When] = {}  # of the sinks, by key
        self.promises_all = False  # once it is known whether frames may be dropped
        self.started = datetime.now().astimezone()
        self.ended: datetime | None = None
        self._cpu = cpu_seconds()  # at the start
        self._used: tuple[float | None, int | None] = (None, None)  # CPU and memory, at the end
        self._error: BaseException | None = None
        self._unavailable_s: dict[str, float] = {}  # at the end
        self._shutdown = shutdown
        self.expectations = Watch(flow.expect, ledger, self._totals)

    @property
    def state(self) -> State:
        if self.ended:
            return "ended"
        if self._shutdown.stopping:
            return "stopping"
        return "running" if self.branches else "starting"

    def end(self) -> None:
        """The run has ended: every frame has its fate, and nothing changes any more."""
        self._unavailable_s = self.unavailable_s()
        self._used = (cpu_seconds() - self._cpu, peak_memory())
        self.ended = datetime.now().astimezone()

    @contextmanager
    def noting_error(self) -> Iterator[None]:
        """Note the error with which the block, and so the run, ends."""
        try:
            yield
        except BaseException as error:
            self._error = error
            raise

    def unavailable(self) -> dict[str, str]:
        """Those of source, transport and sinks that are unavailable, by key of the flow, with the
        reason. Empty once the run has ended."""
        if self.ended:
            return {}
        flow, found = self.flow, {}
        if self.source is None or self.info is None:
            found["source"] = f"{redact(flow.source.uri)} is not open yet"
        elif self.source.unavailable_since is not None:
            found["source"] = _unavailable(flow.source.uri, self.source.unavailable_since)
        address = ", ".join(flow.transport.address)
        if self.transport is None:
            found["transport"] = f"{address} is not open yet"
        elif self.transport.unavailable_since is not None:
            found["transport"] = _unavailable(address, self.transport.unavailable_since)
        if not self.branches:
            found["sink"] = f"{', '.join(redact(sink.uri) for sink in flow.sinks)} is not open yet"
        for branch in self._all_branches():
            if branch.error is not None:
                found[branch.key] = f"failed: {redact(branch.error.message)}"
            elif isinstance(branch.sink, RemoteSink) and branch.sink.unavailable_since is not None:
                found[branch.key] = _unavailable(branch.sink.address, branch.sink.unavailable_since)
        return found

    def unavailable_s(self) -> dict[str, float]:
        """For how many seconds source, transport and sinks have been unavailable, until `end`."""
        if self.ended:
            return self._unavailable_s
        sinks = (branch.sink for branch in self._all_branches())
        return {
            "source": self.source.unavailable_s if self.source else 0.0,
            "transport": self.server_wait.seconds
            + (self.transport.unavailable_s if self.transport else 0.0),
            "sink": sum((s.unavailable_s for s in sinks if isinstance(s, RemoteSink)), 0.0),
        }

    def waiting_for(self) -> list[str]:
        """A sentence for each part that is unavailable, and for a model server that is overloaded:
        it is available, but frames wait for it."""
        unavailable = self.unavailable()
        found = [f"{key}: {what}" for key, what in unavailable.items()]
        since = self.transport.overloaded_since if self.transport is not None else None
        if since is not None and "transport" not in unavailable and not self.ended:
            address = redact(", ".join(self.flow.transport.address))
            found.append(f"transport: {address} is overloaded since {since:%H:%M:%S}")
        return found

    def broken(self) -> list[str]:
        """A sentence for each expectation of the flow that the last minute of a run in progress
        breaks, or a run that has ended."""
        return self._broken(self._judged(self._summary() if self.ended else None))

    def summary(self) -> Summary:
        """The summary so far."""
        summary = self._summary()
        return self._with_outcome(summary, self._judged(summary))

    def _judged(self, summary: Summary | None) -> list[Finding]:
        """The expectations, compared with `summary` if the run has ended, otherwise with the last
        minute."""
        if self.ended and summary is not None:
            return self.expectations.whole(summary.to_json())
        return self.expectations.recent()

    def _broken(self, found: Sequence[Finding]) -> list[str]:
        last = "" if self.ended else f" (in the last {self.flow.expect.window:g} s)"
        return [f"expect.{each.sentence}{last}" for each in found if each.holds is False]

    def _with_outcome(self, summary: Summary, found: Sequence[Finding]) -> Summary:
        exit_code, error = self._outcome(broken(found))
        expect = [each.to_json() for each in found]
        return replace(summary, exit_code=exit_code, error=error, expect=expect)

    def _summary(self) -> Summary:
        """The summary without outcome and expectations."""
        sinks = self._sinks()
        reopened = self.transport.reopened if self.transport else 0
        return summarize(
            self.ledger,
            self.flow.name,
            self.run,
            window=self.window.settled,
            reconnects=self._reconnects(),
            unavailable_s=self.unavailable_s(),
            repeated=sum(each["repeated"] for each in sinks),
            generation=reopened + 1 if self.flow.transport.mode == "stream" else 1,
            sinks=sinks,
            started=self.started,
            ended=self.ended,
            cpu_s=self._used[0],
            memory_bytes=self._used[1],
            picture=[self.info.width, self.info.height] if self.info else None,
        )

    def _reconnects(self) -> dict[str, int]:
        sinks = self._all_branches()
        return {
            "source": self.source.reconnects if self.source else 0,
            "transport": self.transport.reopened if self.transport else 0,
            "sink": sum(each.counts()["reconnects"] for each in sinks),
        }

    def _totals(self) -> dict[str, Any]:
        """What has been counted so far, by the keys of the summary."""
        counts = self.ledger.counts()
        return {
            "captured": counts.captured,
            "delivered": counts.fates["delivered"],
            "dropped": {cause: counts.fates["dropped", cause] for cause in DROP_CAUSES},
            "failed": {cause: counts.fates["failed", cause] for cause in FAIL_CAUSES},
            "aborted": counts.fates["aborted"],
            "repeated": sum(each.counts()["repeated"] for each in self._all_branches()),
            "reconnects": self._reconnects(),
            "unavailable_s": self.unavailable_s(),
        }

    def _all_branches(self) -> tuple[SinkBranch | FateBranch, ...]:
        return (*self.branches, *self.fate_branches)

    def _sinks(self) -> list[dict[str, Any]]:
        """The counts of all sinks, in the order of the flow."""
        counts = {branch.key: branch.counts() for branch in self._all_branches()}
        return [
            {"sink": key, "uri": redact(spec.uri), **counts[key]}
            for key, spec in self.flow.sinks_by_key.items()
            if key in counts
        ]

    def _outcome(self, broken: str | None) -> tuple[int | None, str | None]:
        """The exit code and the error of the summary; `broken` are the expectations that do not
        hold."""
        if self._error is not None:
            code = getattr(self._error, "exit_code", LedgerError.exit_code)
            return code, redact(one_line(self._error))
        if not self.ended:
            return None, None
        lost = None
        if self.promises_all:
            lost = lost_frames(self.ledger.counts(), timed_out=self._shutdown.timed_out)
        problems = [text for text in (lost, broken) if text]
        return (EXIT_CODE, "; ".join(problems)) if problems else (0, None)

    def to_json(self) -> dict[str, Any]:
        """The status for JSON; see `Run.status`."""
        state, unavailable, summary = self.state, self.unavailable(), self._summary()
        found = self._judged(summary)
        broken = self._broken(found)
        return {
            **self._with_outcome(summary, found).to_json(),
            "state": state,
            "ready": state == "running" and not unavailable and not broken,
            "waiting_for": self.waiting_for(),
            "broken": broken,
            "queues": self.queues(),
            "in_flight": self.window.inside,
            "window": self.window.value,
            "fps_now": round(self.ledger.fps_now, 2),
            "source": self._source(),
            "addresses": self.addresses.to_json(),
            "latency_histogram": [
                {"up_to_ms": round(edge * 1000, 3), "frames": frames}
                for edge, frames in bars(self.ledger.latencies.end_to_end)
            ],
        }

    def queues(self) -> list[dict[str, Any]]:
        """The queues, in the order in which a frame passes them."""
        waiting = [("buffer", self.buffer)]
        waiting += [(each.key, each.queue.waiting) for each in self.branches if each.queue]
        found = []
        for name, occupancy in waiting:
            oldest = occupancy.oldest
            age = None if oldest is None else max(0.0, self.ledger.clock() - oldest.captured)
            found.append(
                {
                    "name": name,
                    "depth": occupancy.depth,
                    "capacity": occupancy.capacity,
                    "oldest_s": None if age is None else round(age, 3),
                }
            )
        return found

    def _source(self) -> dict[str, Any]:
        names = ("live", "width", "height", "fps", "duration", "frames")
        known = {name: getattr(self.info, name, None) for name in names}
        return {**known, "time": round(self.ledger.position, 3)}


def bars(histogram: Histogram) -> list[tuple[float, int]]:
    """The values of `histogram` in four bars per doubling, from the first bar with values to the
    last: the upper edge of each in seconds, and how many values lie between it and the one
    below."""
    counts = histogram.cumulative(4)
    found = [(edge, count - below) for (_, below), (edge, count) in pairwise([(0.0, 0), *counts])]
    filled = [at for at, (_, count) in enumerate(found) if count]
    return found[filled[0] : filled[-1] + 1] if filled else []


def _unavailable(what: str, since: datetime) -> str:
    return f"{redact(what)} is unavailable since {since:%H:%M:%S}"
