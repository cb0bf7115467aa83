"""The state of an outage: which requests are held, when it begins and when it has ended.

No threads and no lock: the transport holds its own for every call.
"""

from __future__ import annotations

from bisect import insort
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal

from flowrun.errors import ContractError, FirstDeadlineError, RunError, TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.client.backoff import LONGEST_PAUSE, pause_after, pause_beyond
from flowrun.kserve.client.outage_log import unavailable
from flowrun.kserve.client.send_window import SendWindow
from flowrun.kserve.conditions import NOT_NOW

MAX_ATTEMPTS = 5  # a request that fails so often alone may be what crashes the server
_SUSPICIOUS = 2  # outages without a response in between: from then on requests are sent alone

Step = Literal["doubt", "outage", "send", "wait", "end"]
Ended = tuple[Future[Result | None], RunError]


@dataclass(slots=True, order=True)
class Job:
    """A request until its future has ended. `outages` counts those before it was sent; `alone`: it
    was the only one in flight; `attempts` counts how often it failed alone."""

    number: int
    request: Request = field(compare=False)
    future: Future[Result | None] = field(compare=False)
    outages: int = field(compare=False, default=0)
    alone: bool = field(compare=False, default=False)
    attempts: int = field(compare=False, default=0)


@dataclass(slots=True)
class Outage:
    """`error` is the one that it began with, of `request`; `pause` the seconds before the next
    question; `noticed`: the server was found not ready. `to_resend` requests were held when it
    ended, and `resent` of them have been sent."""

    error: TransportError
    request: Request
    began: float
    pause: float = 0.0
    noticed: bool = False
    to_resend: int = 0
    resent: int = 0
    failed: int = 0

    @property
    def resets_model(self) -> bool:
        """Whether the model may have been started again meanwhile."""
        return self.noticed or self.error.condition in ("unavailable", "not ready")

    def notice(self) -> None:
        """The server was found not ready: this is more than an overload."""
        self.noticed = True
        if self.error.condition == "overloaded":
            self.error.condition = "unavailable"

    def lengthen(self) -> None:
        self.pause = pause_beyond(self.pause, LONGEST_PAUSE)


class OutageState:
    """`outage` is the current one: nothing is sent; after it, held requests are sent again as
    `window` permits. `in_flight` counts the requests that were sent and have not ended, `failures`
    the outages since the last result. `misfit` is why the model no longer fits the flow."""

    def __init__(self, *, hold: bool) -> None:
        self.hold = hold
        self.outage: Outage | None = None
        self.misfit: ContractError | None = None
        self.in_flight = 0
        self.failures = 0
        self.unconfirmed = True  # a result has arrived since the model was compared with the flow
        self._window = SendWindow()
        self._recovering: Outage | None = None  # it has ended, but not all is sent again
        self._doubts: list[tuple[Job, TransportError]] = []
        self._held: list[Job] = []  # in the order of submission
        self._alone: Job | None = None
        self._answered = False
        self._submitted = self._outages = self._most = 0

    # Requests.

    def job(self, request: Request, future: Future[Result | None]) -> Job:
        self._submitted += 1
        self._most = max(self._most, self.in_flight + len(self._held) + 1)
        return Job(self._submitted, request, future)

    def rejection(self) -> RunError | None:
        """The error that a new request ends with at once."""
        if self.misfit is not None:
            return copy_of(self.misfit)
        if self.outage is None or self.hold:
            return None
        self.outage.failed += 1
        return unavailable(self.outage.error)

    @property
    def must_hold(self) -> bool:
        """Whether a new request has to wait."""
        waits = self.outage is not None or bool(self._held)
        return waits or not self._window.has_space(self.in_flight)

    def hold_back(self, job: Job) -> None:
        insort(self._held, job)

    def sent(self, job: Job) -> None:
        job.outages = self._outages
        self.in_flight += 1
        self._alone = job if self.in_flight == 1 else None

    def ended(self, job: Job) -> None:
        self.in_flight -= 1
        job.alone = self._alone is job
        self._alone = None if job.alone else self._alone

    def answered(self) -> None:
        self.failures = 0
        self._answered = self.unconfirmed = True
        self._window.answered(self._most)

    # Failures.

    def judge(self, error: TransportError) -> Literal["failed", "doubt", "outage"]:
        """What the failure of a request means: its end, nothing before the server was asked, or an
        outage."""
        condition = error.condition
        if isinstance(error, FirstDeadlineError):
            return "doubt"
        if condition in ("doubtful", "not ready"):
            known = self.outage is not None or (condition == "not ready" and self.failures > 0)
            return "outage" if known else "doubt"
        if condition == "interrupted":
            return "outage" if self.hold else "failed"
        return "outage" if condition in NOT_NOW else "failed"

    def doubt(self, job: Job, error: TransportError) -> None:
        self._doubts.append((job, error))

    def next_doubt(self) -> tuple[Job, TransportError]:
        return self._doubts[0]

    def settle_doubt(self, *, ready: bool) -> tuple[Job, TransportError, bool]:
        """The first doubt, now that the server was asked, and whether it is an outage."""
        job, error = self._doubts.pop(0)
        if isinstance(error, FirstDeadlineError):
            return job, error, not ready
        reloaded = error.condition == "not ready" and self.hold and self._answered
        return job, error, self.outage is not None or not ready or reloaded

    def begins(self, job: Job) -> bool:
        """Whether an outage begins with the failure of `job`; of those sent before the last one,
        only what has to be held begins another."""
        return self.outage is None and (self.hold or job.outages == self._outages)

    def begin(self, job: Job, error: TransportError, now: float) -> None:
        overloaded = error.condition == "overloaded"
        if overloaded:
            self._window.halve(self.in_flight + 1)
        elif error.condition == "interrupted" or self.failures >= _SUSPICIOUS:
            self._window.send_alone()
        outage, self._recovering = self._recovering, None
        if outage is None:
            outage = Outage(error, job.request, now)
        outage.error, outage.request = error, job.request
        outage.pause = pause_after(self.failures + overloaded, LONGEST_PAUSE)
        self.outage = outage
        self._outages += 1

    def failed(self, job: Job, error: TransportError) -> TransportError | None:
        """Hold a request that failed during an outage, or return the error that it ends with."""
        job.attempts += job.alone and error.condition != "overloaded"
        if self.outage is not None:
            if self.hold and job.attempts < MAX_ATTEMPTS:
                insort(self._held, job)
                return None
            self.outage.failed += 1
        return error if self.hold else unavailable(error)

    # Recovery.

    def resume(self) -> None:
        """The server is ready: the outage has ended as soon as what is held has been sent."""
        self._recovering, self.outage = self.outage, None
        self.failures += 1
        if self._recovering is not None:
            self._recovering.to_resend = self._recovering.resent + len(self._held)

    def recovered(self) -> Outage | None:
        """The outage that has ended now, once."""
        outage = self._recovering
        if outage is None or (self._held and outage.resent < outage.to_resend):
            return None
        self._recovering = None
        return outage

    def step(self) -> Step:
        """What is to be done next."""
        if self._doubts:
            return "doubt"
        if self.outage is not None:
            return "outage"
        if not self._held:
            return "end"
        return "send" if self._window.has_space(self.in_flight) else "wait"

    def next_held(self) -> Job:
        """The next request to send again."""
        if self._recovering is not None:
            self._recovering.resent += 1
        job = self._held.pop(0)
        self.sent(job)
        return job

    # Ends.

    def release(self) -> list[Ended]:
        """Hold no more: what was held because of an outage, and what it ends with."""
        self.hold = False
        return self._end_held(self.outage.error) if self.outage is not None else []

    def clear(self, error: TransportError) -> list[Ended]:
        """Nothing is sent any more: everything that waits, and what it ends with."""
        doubts, self._doubts = self._doubts, []
        self.hold = False
        ended: list[Ended] = [(job.future, reason) for job, reason in doubts]
        return ended + self._end_held(self.outage.error if self.outage is not None else error)

    def end_contract(self, misfit: ContractError) -> list[Ended]:
        """The model no longer fits: everything that waits, and what it ends with."""
        self.misfit = misfit
        waiting = [job for job, _ in self._doubts] + self._held
        self._doubts, self._held, self.outage, self._recovering = [], [], None, None
        return [(job.future, copy_of(misfit)) for job in waiting]

    def _end_held(self, error: TransportError) -> list[Ended]:
        held, self._held = self._held, []
        if self.outage is not None:
            self.outage.failed += len(held)
        return [(job.future, unavailable(error)) for job in held]


def copy_of(misfit: ContractError) -> ContractError:
    """A copy: every future raises an exception of its own."""
    return ContractError(misfit.message, key=misfit.key, hint=misfit.hint)
