"""Which answer belongs to which request: the requests in flight on one stream.

No threads, no clock, no gRPC: every method says which requests have ended, and how.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from flowrun.errors import RunError, TransportError
from flowrun.inference import Parameter, Result, Tensor
from flowrun.kserve.contract.servers import FINAL, TIMESTAMP, Correlation
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.kserve.wire.messages import Response


@dataclass(slots=True, eq=False)
class Pending:
    """A request until it has ended. `key` is its id and its timestamp, larger than all before it;
    `message` makes the message, an empty one once it was sent; `deadline` in seconds of
    `time.monotonic()`."""

    key: int
    message: Callable[[], bytes]
    deadline: float
    future: Future[Result | None]
    outputs: dict[str, Tensor] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    responses: int = 0
    missing: set[str] = field(default_factory=set)


Outcome = Result | RunError | None
Completion = tuple[Pending, Outcome]


def complete(completions: list[Completion]) -> None:
    """Complete the futures. Not for a thread that holds a lock: it runs their callbacks."""
    for pending, outcome in completions:
        if isinstance(outcome, RunError):
            pending.future.set_exception(outcome)
        else:
            pending.future.set_result(outcome)


class Window:
    """The requests in flight on the stream `generation`, in the order in which they were sent.

    `wanted` are the outputs that complete an answer; empty if nobody knows what the model's
    outputs are called: then the first answer is complete.
    """

    def __init__(
        self,
        correlation: Correlation,
        generation: int,
        wanted: frozenset[str],
        grpc_errors: GrpcErrors,
    ) -> None:
        self.answered = 0  # requests that got an answer of their own, an error included
        self.ignored = 0  # messages that belong to no request in flight
        self._correlation = correlation
        self._generation = generation
        self._wanted = wanted
        self._grpc_errors = grpc_errors
        self._open: dict[int, Pending] = {}
        # In-stream errors that do not say whose they are, each with the last request that had been
        # sent by then. Never more of them than requests in flight.
        self._errors: deque[tuple[int, TransportError]] = deque()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, pending: Pending) -> None:
        pending.missing = set(self._wanted)
        self._open[pending.key] = pending

    def deadline(self) -> float | None:
        """The earliest one."""
        return min((pending.deadline for pending in self._open.values()), default=None)

    def answer(self, answer: Response) -> list[Completion]:
        """Take a message of the server."""
        pending = self._find(answer)
        if answer.error is not None:
            error = TransportError(
                f"the server answered with an error: {self._grpc_errors.quoted(answer.error)}"
            )
            return self._fail(pending, error, anonymous=not self._names_a_request(answer))
        if pending is None:
            self.ignored += 1
            return []
        if answer.problem is not None:
            return self._fail(pending, answer.problem, anonymous=False)
        self.answered += 1
        pending.responses += 1
        pending.outputs.update(answer.outputs)
        pending.parameters.update(answer.parameters)
        pending.missing -= answer.outputs.keys()
        completions = self._release_before(pending, set(answer.outputs))
        if self._is_complete(pending, answer):
            completions.append(self._end(pending))
        return completions + self._blame()

    def unreadable(self, error: TransportError) -> list[Completion]:
        """Take a message that could not even be parsed: it costs one request, as an error that
        does not say whose it is."""
        oldest = next(iter(self._open.values()), None)
        return self._fail(oldest if self._correlation == "order" else None, error, anonymous=True)

    def expire(self, now: float) -> list[Completion]:
        """End what should have been answered by now."""
        late = [pending for pending in self._open.values() if pending.deadline <= now]
        completions: list[Completion] = []
        for pending in late:
            del self._open[pending.key]
            completions.append((pending, self._grpc_errors.late(self._so_far(pending))))
        if late and self._correlation == "order":  # from now on nobody knows whose answer is whose
            for pending in self._open.values():
                error = TransportError("an earlier frame got no answer, so this one's is not known")
                completions.append((pending, error))
            self._open.clear()
        return completions + self._blame()

    def finish(self) -> list[Completion]:
        """The server has said all it will say: what is missing will not come."""
        return [self._end(pending) for pending in list(self._open.values())]

    def lose(self, error: TransportError) -> list[Completion]:
        """The stream is dead: so is everything in flight."""
        lost = list(self._open.values())
        self._open.clear()
        self._errors.clear()
        return [(pending, again(error)) for pending in lost]

    def _find(self, answer: Response) -> Pending | None:
        if self._correlation == "order":
            return next(iter(self._open.values()), None)
        if self._correlation == "timestamp" and TIMESTAMP in answer.parameters:
            timestamp = answer.parameters[TIMESTAMP]
            return self._open.get(timestamp) if type(timestamp) is int else None
        if self._correlation == "timestamp" and answer.error is None:
            return None
        return next((p for p in self._open.values() if str(p.key) == answer.id), None)

    def _names_a_request(self, answer: Response) -> bool:
        stamped = self._correlation == "timestamp" and TIMESTAMP in answer.parameters
        return stamped or bool(answer.id)

    def _is_complete(self, pending: Pending, answer: Response) -> bool:
        if FINAL in answer.parameters:
            return answer.parameters[FINAL] is True
        return not pending.missing or not answer.outputs

    def _release_before(self, answered: Pending, names: set[str]) -> list[Completion]:
        """Timestamps never go back on an output of a graph: older requests get nothing there."""
        if self._correlation != "timestamp":
            return []
        completions: list[Completion] = []
        for pending in [each for each in self._open.values() if each.key < answered.key]:
            pending.missing -= names
            if not pending.missing:
                completions.append(self._end(pending))
        return completions

    def _end(self, pending: Pending) -> Completion:
        """End with what came; with an error that nobody claimed, if nothing came."""
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
            return [(pending, error), *self._blame()]
        if not anonymous or not self._open:
            self.ignored += 1
            return []
        self._errors.append((next(reversed(self._open)), error))
        return self._blame()

    def _blame(self) -> list[Completion]:
        """Errors that do not say whose they are belong to requests that were sent before and got
        nothing; as soon as there are no more such requests than errors, it is clear."""
        count = 1
        while count <= len(self._errors):
            last = self._errors[count - 1][0]
            suspects = [p for p in self._open.values() if p.key <= last and p.responses == 0]
            if len(suspects) > count:
                count += 1
                continue
            errors = [self._errors.popleft()[1] for _ in range(count)]
            self.ignored += count - len(suspects)
            for pending in suspects:
                del self._open[pending.key]
            return [*zip(suspects, errors, strict=False), *self._blame()]
        return []

    def _so_far(self, pending: Pending) -> str:
        if pending.missing and pending.responses:
            came = ", ".join(map(repr, sorted(pending.outputs))) or "none"
            return f" (of its outputs, {came} came)"
        if self.ignored:
            return f" (answers that belong to no request: {self.ignored})"
        return ""


def again(error: TransportError) -> TransportError:
    """Another one like it: every future raises an exception of its own."""
    return TransportError(error.message, code=error.code, key=error.key, hint=error.hint)
