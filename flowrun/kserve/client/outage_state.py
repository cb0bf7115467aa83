"""The state of an outage: which requests are held, when it begins and when it has ended.

No threads and no lock: the transport holds its own for every call.
"""

from __future__ import annotations

from bisect import insort
from concurrent.futures import Future
from dataclasses import dataclass, field

from flowrun.errors import OutageError, TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.client.outage_log import unavailable
from flowrun.kserve.grpc_errors import OUTAGE_STATUSES

MAX_ATTEMPTS = 5  # a request that fails so often may be what crashes the server


@dataclass(slots=True, order=True)
class Job:
    """A request until its future has ended. `outages` counts those before it was sent."""

    number: int
    request: Request = field(compare=False)
    future: Future[Result | None] = field(compare=False)
    outages: int = field(compare=False, default=0)
    attempts: int = field(compare=False, default=0)


@dataclass(slots=True)
class Outage:
    """`error` is the one that it began with."""

    error: TransportError
    began: float
    resent: int = 0
    failed: int = 0


class OutageState:
    """`outage` is the current one. `in_flight` counts the requests that were sent and have not
    ended, `failures` the outages since the last result."""

    def __init__(self, *, hold: bool) -> None:
        self.hold = hold
        self.outage: Outage | None = None
        self.in_flight = 0
        self.failures = 0
        self._held: list[Job] = []  # in the order of submission
        self._submitted = 0
        self._outages = 0
        self._failed_again = False

    def job(self, request: Request, future: Future[Result | None]) -> Job:
        self._submitted += 1
        return Job(self._submitted, request, future)

    def sent(self, job: Job) -> None:
        job.outages = self._outages
        job.attempts += 1
        self.in_flight += 1

    def defer(self, job: Job, outage: Outage) -> OutageError | None:
        """Hold a new request during an outage, or return the error that it ends with."""
        if self.hold:
            self._held.append(job)
            return None
        outage.failed += 1
        return unavailable(outage.error)

    def is_outage(self, error: TransportError) -> bool:
        # A server that restarts may report that it is ready before it has loaded its model.
        restarting = self.outage is not None or self.failures > 0
        return error.code in OUTAGE_STATUSES or (restarting and error.code == "NOT_FOUND")

    def begins(self, job: Job) -> bool:
        """Whether an outage begins with the failure of `job`, which was not sent before the last
        one."""
        return self.outage is None and job.outages == self._outages

    def begin(self, outage: Outage) -> None:
        self.outage = outage
        self._outages += 1

    def failed(self, job: Job, error: TransportError) -> TransportError | None:
        """Hold a request that failed during an outage, or return the error that it ends with."""
        self._failed_again = True
        if self.outage is not None:
            if self.hold and job.attempts < MAX_ATTEMPTS:
                insort(self._held, job)
                return None
            self.outage.failed += 1
        return error if self.hold else unavailable(error)

    def release(self) -> list[tuple[Future[Result | None], OutageError]]:
        """Hold no more: the futures of the requests that were held, and what each ends with."""
        self.hold = False
        held, self._held = self._held, []
        if self.outage is None:
            return []
        self.outage.failed += len(held)
        return [(job.future, unavailable(self.outage.error)) for job in held]

    def resume(self) -> None:
        """The server is ready: what fails from now on has failed again."""
        self._failed_again = False

    @property
    def must_wait(self) -> bool:
        """Whether the server has failed again while requests are held."""
        return self._failed_again and bool(self._held)

    def next_held(self, outage: Outage) -> Job | None:
        """The next request to send again; `None` if there is none: then the outage has ended."""
        if not self._held:
            self.outage = None
            self.failures += 1
            return None
        outage.resent += 1
        job = self._held.pop(0)
        self.sent(job)
        return job
