"""Match responses to the requests in flight on one stream.

No threads, no clock, no gRPC: every method returns which requests have ended, and how.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from flowrun.errors import Condition, RunError, TransportError
from flowrun.inference import Parameter, Result, Tensor
from flowrun.kserve.client.first_response import FirstResponse
from flowrun.kserve.contract.servers import Correlation
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.wire.parameters import FINAL, TIMESTAMP
from flowrun.kserve.wire.responses import Response


@dataclass(slots=True, eq=False)
class Pending:
    """A request until it has ended. `key` is its id and its timestamp, larger than all before it;
    `message` makes the message, an empty one after it was sent; `deadline` is in seconds of
    `time.monotonic()`; `first` is set if the response may be the model's first. `missing` are the
    outputs that have not arrived."""

    key: int
    message: Callable[[], bytes]
    deadline: float
    future: Future[Result | None]
    first: FirstResponse | None = None
    outputs: dict[str, Tensor] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    responses: int = 0
    missing: set[str] = field(default_factory=set)


Outcome = Result | RunError | None
Completion = tuple[Pending, Outcome]


def complete(completions: list[Completion]) -> None:
    """Complete the futures. This runs their callbacks, so call it without a lock."""
    for pending, outcome in completions:
        if isinstance(outcome, RunError):
            pending.future.set_exception(outcome)
        else:
            pending.future.set_result(outcome)


class Window:
    """The requests in flight on the stream `generation`, in the order in which they were sent.

    `outputs` are the names of the outputs that complete a result; empty if the names are unknown:
    then the first response completes it.
    """

    def __init__(
        self,
        correlation: Correlation,
        generation: int,
        outputs: frozenset[str],
        grpc_errors: GrpcErrors,
    ) -> None:
        self.answered = 0  # responses that belong to a request, errors included
        self.ignored = 0  # responses that match no request in flight
        self._correlation = correlation
        self._generation = generation
        self._outputs = outputs
        self._grpc_errors = grpc_errors
        self._open: dict[int, Pending] = {}
        # In-stream errors without an id, each with the last request that had been sent by then.
        # Never more of them than requests in flight.
        self._errors: deque[tuple[int, TransportError]] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, pending: Pending) -> None:
        pending.missing = set(self._outputs)
        self._open[pending.key] = pending

    def shorten(self, deadline: float) -> None:
        """Set later deadlines to this one."""
        for pending in self._open.values():
            pending.deadline = min(pending.deadline, deadline)

    def deadline(self) -> float | None:
        """The earliest one."""
        return min((pending.deadline for pending in self._open.values()), default=None)

    def receive(self, response: Response) -> list[Completion]:
        """Match a response of the server."""
        pending = self._find(response)
        if response.error is not None:
            error = self._grpc_errors.in_stream(response.error)
            return self._fail(pending, error, anonymous=not self._has_id(response))
        if pending is None:
            self.ignored += 1
            return []
        if response.problem is not None:
            return self._fail(pending, response.problem, anonymous=False)
        self.answered += 1
        pending.responses += 1
        pending.outputs.update(response.outputs)
        pending.parameters.update(response.parameters)
        pending.missing -= response.outputs.keys()
        completions = self._complete_older(pending, set(response.outputs))
        if self._is_complete(pending, response):
            completions.append(self._end(pending))
        return completions + self._assign_errors()

    def receive_malformed(self, error: TransportError) -> list[Completion]:
        """Match a message that could not be parsed: it fails one request, like an error without an
        id."""
        oldest = next(iter(self._open.values()), None)
        return self._fail(oldest if self._correlation == "order" else None, error, anonymous=True)

    def expire(self, now: float) -> list[Completion]:
        """Fail the requests whose deadline has passed."""
        expired = [pending for pending in self._open.values() if pending.deadline <= now]
        completions: list[Completion] = []
        for pending in expired:
            del self._open[pending.key]
            details = self._details(pending)
            completions.append((pending, late(self._grpc_errors, pending, details)))
        if expired and self._correlation == "order":  # whose response comes next is unknown
            text = "an earlier frame got no response, so that of this frame cannot be identified"
            completions += [
                (each, TransportError(text, condition="interrupted"))
                for each in self._open.values()
            ]
            self._open.clear()
        return completions + self._assign_errors()

    def complete_all(self) -> list[Completion]:
        """The server sends no more: complete every request with what has arrived."""
        return [self._end(pending) for pending in list(self._open.values())]

    def fail_all(self, error: TransportError) -> list[Completion]:
        """The stream has ended: fail everything in flight. If these are several requests and the
        server refused one, which one it was is unknown."""
        failed = list(self._open.values())
        self._open.clear()
        self._errors.clear()
        unknown = len(failed) > 1 and error.condition in ("refused", "doubtful")
        condition: Condition = "interrupted" if unknown else error.condition
        return [(pending, copy_of(error, condition)) for pending in failed]

    def _find(self, response: Response) -> Pending | None:
        if self._correlation == "order":
            return next(iter(self._open.values()), None)
        if self._correlation == "timestamp" and TIMESTAMP in response.parameters:
            timestamp = response.parameters[TIMESTAMP]
            return self._open.get(timestamp) if type(timestamp) is int else None
        if self._correlation == "timestamp" and response.error is None:
            return None
        return next((p for p in self._open.values() if str(p.key) == response.id), None)

    def _has_id(self, response: Response) -> bool:
        stamped = self._correlation == "timestamp" and TIMESTAMP in response.parameters
        return stamped or bool(response.id)

    def _is_complete(self, pending: Pending, response: Response) -> bool:
        if FINAL in response.parameters:
            return response.parameters[FINAL] is True
        if self._correlation != "timestamp" and self._outputs.isdisjoint(response.outputs):
            return True  # no further response would have them
        return not pending.missing or not response.outputs

    def _complete_older(self, answered: Pending, names: set[str]) -> list[Completion]:
        """Timestamps increase on each output of a graph: older requests get nothing more there."""
        if self._correlation != "timestamp":
            return []
        completions: list[Completion] = []
        for pending in [each for each in self._open.values() if each.key < answered.key]:
            pending.missing -= names
            if not pending.missing:
                completions.append(self._end(pending))
        return completions

    def _end(self, pending: Pending) -> Completion:
        """Complete with what has arrived; if nothing has, with an error without an id, if there is
        one."""
        del self._open[pending.key]
        if pending.responses == 0 and self._errors and pending.key <= self._errors[0][0]:
            return pending, self._errors.popleft()[1]
        if not pending.outputs:
            return pending, None
        result = Result(pending.outputs, pending.parameters, pending.responses, self._generation)
        return pending, result

    def _fail(
        self, pending: Pending | None, error: TransportError, *, anonymous: bool
    ) -> list[Completion]:
        self.answered += 1
        if pending is not None:
            del self._open[pending.key]
            return [(pending, error), *self._assign_errors()]
        if not anonymous or not self._open:
            self.ignored += 1
            return []
        self._errors.append((next(reversed(self._open)), error))
        return self._assign_errors()

    def _assign_errors(self) -> list[Completion]:
        """Errors without an id belong to requests that were sent before and got no response. As
        soon as there are no more such requests than errors, they can be assigned."""
        count = 1
        while count <= len(self._errors):
            last = self._errors[count - 1][0]
            candidates = [p for p in self._open.values() if p.key <= last and p.responses == 0]
            if len(candidates) > count:
                count += 1
                continue
            errors = [self._errors.popleft()[1] for _ in range(count)]
            self.ignored += count - len(candidates)
            for pending in candidates:
                del self._open[pending.key]
            return [*zip(candidates, errors, strict=False), *self._assign_errors()]
        return []

    def _details(self, pending: Pending) -> str:
        if pending.missing and pending.responses:
            received = ", ".join(map(repr, sorted(pending.outputs))) or "none"
            return f" (outputs received: {received})"
        if self.ignored:
            return f" (responses that match no request: {self.ignored})"
        return ""


def late(
    errors: GrpcErrors, pending: Pending, details: str, *, condition: Condition = "doubtful"
) -> TransportError:
    """The error for a request whose deadline has passed."""
    first = pending.first
    if first is not None and first.awaited:
        return errors.first_deadline_exceeded(details, after_outage=first.after_outage)
    return errors.deadline_exceeded(details, condition=condition)


def copy_of(error: TransportError, condition: Condition) -> TransportError:
    """A copy of `error` with this condition: every future raises an exception of its own."""
    return TransportError(
        error.message, code=error.code, condition=condition, key=error.key, hint=error.hint
    )
