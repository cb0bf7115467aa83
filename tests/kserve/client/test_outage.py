"""A server that becomes unavailable and available again; futures are resolved by hand."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrun.errors import Condition, ContractError, DeadlineError, OutageError, TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.client.outage import OutageTransport
from flowrun.kserve.client.outage_state import MAX_ATTEMPTS
from flowrun.kserve.contract.model_info import ModelInfo

LIMIT = 10.0  # seconds, a guard against hanging
LOST = "cannot connect to server:9 (connection reset)"
UNAVAILABLE_ERROR = (
    f"transport.on_outage: the model server is unavailable: {LOST}\n"
    "  `hold` waits for the server; `drop` and `passthrough` continue without it"
)


def lost(code: str | None = "UNAVAILABLE") -> TransportError:
    conditions: dict[str | None, Condition] = {
        "UNAVAILABLE": "unavailable",
        "CANCELLED": "unavailable",
        "NOT_FOUND": "not ready",
    }
    condition = conditions.get(code, "refused")
    return TransportError(LOST, code=code, condition=condition, key="transport.address")


def request(number: int) -> Request:
    return Request({"image": np.full(1, number)})


def number(value: Request | Result) -> int:
    tensors = value.inputs if isinstance(value, Request) else value.outputs
    return int(tensors["image"][0])


class Inner:
    """A transport whose results the test sets."""

    model = ModelInfo("model")
    reopened = 3

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.open: dict[int, Future[Result | None]] = {}
        self.closed = False
        self._changed = threading.Condition()

    def submit(self, request: Request) -> Future[Result | None]:
        if self.closed:
            raise TransportError("closed")
        future: Future[Result | None] = Future()
        with self._changed:
            self.open[number(request)] = future
            self.sent.append(number(request))
            self._changed.notify_all()
        return future

    def answer(self, *numbers: int) -> None:
        for each in numbers:
            self.open.pop(each).set_result(Result({"image": np.full(1, each)}))

    def fail(self, *numbers: int, error: Exception | None = None) -> None:
        for each in numbers:
            self.open.pop(each).set_exception(error or lost())

    def wait_for(self, *numbers: int) -> None:
        """Until exactly these have been sent, in this order."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.sent) >= len(numbers), LIMIT)
        assert self.sent == list(numbers)

    def sends_more_than(self, count: int) -> bool:
        """Whether it does so within 0.1 s."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.sent) > count, 0.1)

    def close(self) -> None:
        self.closed = True
        self.fail(*list(self.open), error=TransportError("closed", code="CANCELLED"))


class Bench:
    def __init__(self, policy: Any) -> None:
        self.inner = Inner()
        self.asked: queue.Queue[float] = queue.Queue()
        self.pauses: list[float] = []
        self.now = 100.0
        self._says: queue.Queue[bool | Exception] = queue.Queue()
        self.transport = OutageTransport(
            self.inner,
            self._ready,
            policy,
            wait=lambda _, seconds: self.pauses.append(seconds),
            clock=lambda: self.now,
        )

    def submit(self, *numbers: int) -> list[Future[Result | None]]:
        return [self.transport.submit(request(each)) for each in numbers]

    def say(self, *answers: bool | Exception) -> None:
        """The answers to the next questions whether the server is ready."""
        for answer in answers:
            self._says.put(answer)

    def _ready(self, patience: float) -> bool:
        self.asked.put(patience)
        said = self._says.get(timeout=LIMIT)
        if isinstance(said, Exception):
            raise said
        return said

    def close(self) -> None:
        self.say(False)
        self.transport.close()


@pytest.fixture
def bench() -> Iterator[Callable[[str], Bench]]:
    made: list[Bench] = []

    def build(policy: str) -> Bench:
        made.append(Bench(policy))
        return made[-1]

    yield build
    for each in made:
        each.close()
    assert not outages()


def outages() -> list[threading.Thread]:
    """The threads that wait for a server; `join` them for the end of the outage."""
    return [each for each in threading.enumerate() if each.name == "flowrun-outage"]


def is_over() -> None:
    for thread in outages():
        thread.join(LIMIT)
    assert not outages()


def outcomes(futures: Sequence[Future[Any]]) -> list[Any]:
    ends: list[Any] = []
    for future in futures:
        error = future.exception(LIMIT)
        ends.append(type(error) if error else future.result() and number(future.result()))
    return ends


POLICIES = ["hold", "drop", "passthrough", "fail"]


@pytest.mark.parametrize("policy", POLICIES)
def test_without_an_outage_results_pass_unchanged(bench: Any, policy: str) -> None:
    made = bench(policy)
    futures = made.submit(0, 1, 2)
    made.inner.answer(1, 0)
    made.inner.open.pop(2).set_result(None)
    assert outcomes(futures) == [0, 1, None]
    assert made.transport.reopened == 3
    assert made.transport.model is made.inner.model
    assert not outages()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "error",
    [
        DeadlineError("late", code="DEADLINE_EXCEEDED"),
        lost("INTERNAL"),
        lost(None),
        ContractError("it does not fit"),
        ZeroDivisionError("a bug"),
    ],
)
def test_no_other_error_is_an_outage(bench: Any, policy: str, error: Exception) -> None:
    made = bench(policy)
    (future,) = made.submit(0)
    made.inner.fail(0, error=error)
    assert future.exception(LIMIT) is error
    assert not outages()


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED"])
def test_with_hold_everything_is_sent_again_in_the_order_of_submission(
    bench: Any, code: str, caplog: Any
) -> None:
    caplog.set_level("INFO")
    made = bench("hold")
    futures = made.submit(0, 1, 2, 3)
    made.inner.answer(1)
    made.inner.fail(3, 0, 2, error=lost(code))
    futures += made.submit(4, 5)
    made.say(False)
    assert [made.asked.get(timeout=LIMIT) for _ in range(2)] == [0.0, 2.0]
    assert not any(future.done() for future in futures if future is not futures[1])
    assert made.transport.unavailable_since is not None
    made.now += 3.2
    made.say(True)
    made.inner.wait_for(0, 1, 2, 3, 0, 2, 3, 4, 5)
    is_over()
    assert made.transport.unavailable_since is None
    assert made.transport.unavailable_s == pytest.approx(3.2)
    made.inner.answer(5, 4, 3, 2, 0)
    assert outcomes(futures) == [0, 1, 2, 3, 4, 5]
    assert caplog.messages == [
        f"the model server is unavailable: {LOST}; frames are held until it is available again",
        "the model server is available again after 3.2 s; requests resent: 5, failed: 0",
    ]


def test_requests_sent_before_the_outage_end_before_any_is_resent(bench: Any) -> None:
    made = bench("hold")
    futures = made.submit(0, 1, 2)
    made.inner.fail(1)
    made.say(True)
    made.inner.fail(2)  # the server is ready, but 0 has not ended
    assert not made.inner.sends_more_than(3)
    assert made.inner.sent == [0, 1, 2]
    made.inner.fail(0)
    made.inner.wait_for(0, 1, 2, 0, 1, 2)
    made.inner.answer(0, 1, 2)
    assert outcomes(futures) == [0, 1, 2]


def test_a_request_that_fails_while_it_is_resent_is_held_again(bench: Any) -> None:
    made = bench("hold")
    futures = made.submit(0, 1)
    made.inner.fail(0, 1)
    submit = made.inner.submit

    def dies(request: Request) -> Future[Any]:
        future: Future[Any] = submit(request)
        made.inner.submit = submit
        made.inner.fail(number(request), error=lost("NOT_FOUND"))
        return future

    made.inner.submit = dies
    made.say(True, True)
    made.inner.wait_for(0, 1, 0, 0, 1)
    made.inner.answer(1, 0)
    assert outcomes(futures) == [0, 1]
    assert made.asked.qsize() == 2


def test_the_pauses_between_the_questions_grow_to_a_second(bench: Any) -> None:
    made = bench("hold")
    (future,) = made.submit(0)
    made.inner.fail(0)
    made.say(*[False] * 6, True)
    made.inner.wait_for(0, 0)
    made.inner.answer(0)
    assert outcomes([future]) == [0]
    assert made.pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert list(made.asked.queue) == [0.0, *[2.0] * 6]


def test_a_request_that_fails_every_time_ends_with_its_error(bench: Any) -> None:
    made = bench("hold")
    futures = made.submit(0)
    made.say(*[True] * MAX_ATTEMPTS)
    for attempts in range(1, MAX_ATTEMPTS + 1):
        made.inner.wait_for(*[0] * attempts)
        is_over()
        made.inner.fail(0)
    assert str(futures[0].exception(LIMIT)) == f"transport.address: {LOST}"
    assert outcomes(futures) == [TransportError]
    is_over()
    # The pauses grow until there is a result again.
    assert made.pauses == [0.1, 0.2, 0.4, 0.8]
    futures = made.submit(1)
    made.inner.answer(1)
    assert outcomes(futures) == [1]
    made.say(True)
    made.submit(2)
    made.inner.fail(2)
    made.inner.wait_for(*[0] * MAX_ATTEMPTS, 1, 2, 2)
    assert made.pauses == [0.1, 0.2, 0.4, 0.8]


def test_released_requests_end_at_once_and_later_ones_until_the_outage_has_ended(
    bench: Any, caplog: Any
) -> None:
    caplog.set_level("INFO")
    made = bench("hold")
    futures = made.submit(0, 1, 2)
    made.inner.fail(0, 1)
    made.transport.release()
    made.inner.fail(2)
    futures += made.submit(3)
    assert [str(future.exception(0)) for future in futures] == [UNAVAILABLE_ERROR] * 4
    made.transport.release()
    made.say(False, True)
    is_over()
    futures = made.submit(4)
    made.inner.answer(4)
    assert outcomes(futures) == [4]
    assert caplog.messages[-1] == (
        "the model server is available again after 0.0 s; requests resent: 0, failed: 4"
    )


MEANWHILE = {
    "drop": "frames are dropped until it is available again",
    "passthrough": "frames pass unchanged until it is available again",
}


@pytest.mark.parametrize("policy", ["drop", "passthrough", "fail"])
def test_with_any_other_policy_requests_end_at_once_and_nothing_is_sent(
    bench: Any, policy: str, caplog: Any
) -> None:
    caplog.set_level("INFO")
    made = bench(policy)
    futures = made.submit(0, 1)
    made.inner.fail(0)
    futures += made.submit(2)
    made.inner.fail(1)
    errors = [future.exception(0) for future in futures]
    assert [(type(e), str(e), e.code) for e in errors] == [
        (OutageError, UNAVAILABLE_ERROR, "UNAVAILABLE")
    ] * 3
    assert len({id(error) for error in errors}) == 3
    made.say(False, True)
    is_over()
    futures = made.submit(3)
    made.inner.wait_for(0, 1, 3)
    made.inner.answer(3)
    assert outcomes(futures) == [3]
    back = "the model server is available again after 0.0 s; requests resent: 0, failed: 3"
    if policy == "fail":  # the error of the run reports it
        assert caplog.messages == [back]
    else:
        unavailable = f"the model server is unavailable: {LOST}; {MEANWHILE[policy]}"
        assert caplog.messages == [unavailable, back]


def test_a_late_failure_of_an_older_request_begins_no_other_outage(bench: Any) -> None:
    made = bench("drop")
    futures = made.submit(0, 1)
    made.inner.fail(0)
    made.say(True)
    is_over()
    made.inner.fail(1)
    assert not outages()
    assert outcomes(futures) == [OutageError, OutageError]


def test_a_failure_by_a_server_that_is_ready_is_logged_the_first_and_the_tenth_time(
    bench: Any, caplog: Any
) -> None:
    made = bench("drop")
    for each in range(12):
        made.submit(each)
        made.inner.fail(each)
        made.say(True)
        is_over()
    assert caplog.messages == [
        f"the model server is ready, but a request failed: {LOST} ({times} times so far)"
        for times in (1, 10)
    ]


def test_closing_in_an_outage_ends_everything(bench: Any) -> None:
    made = bench("hold")
    futures = made.submit(0, 1)
    made.inner.fail(0)
    futures += made.submit(2)
    made.close()
    made.close()
    assert outcomes(futures) == [OutageError, TransportError, OutageError]
    with pytest.raises(TransportError, match="closed"):
        made.submit(3)


@pytest.mark.parametrize("first", ["overloaded", "doubtful"])
def test_a_server_that_refuses_even_the_question_as_one_too_many_is_overloaded(
    bench: Any, caplog: Any, first: Condition
) -> None:
    made = bench("hold")
    (future,) = made.submit(0)
    made.inner.fail(0, error=TransportError("too many", condition=first))
    many = TransportError("too many", condition="overloaded")
    for _ in range(4):
        made.say(many)
        made.asked.get(timeout=LIMIT)
    assert made.transport.overloaded_since is not None
    assert made.transport.unavailable_since is None
    made.say(True, True)
    made.inner.wait_for(0, 0)
    made.inner.answer(0)
    assert outcomes([future]) == [0]
    is_over()
    assert made.transport.overloaded_since is None
    assert caplog.messages == [
        "the model server is overloaded: too many; frames wait and are sent again (1 times so far)"
    ]


def test_a_server_that_becomes_unavailable_during_an_overload_is_reported(bench: Any) -> None:
    made = bench("hold")
    (future,) = made.submit(0)
    made.inner.fail(0, error=TransportError("too many", condition="overloaded"))
    made.say(False, False)
    for _ in range(3):
        made.asked.get(timeout=LIMIT)
    assert made.transport.overloaded_since is None
    assert made.transport.unavailable_since is not None
    made.say(True)
    made.inner.wait_for(0, 0)
    made.inner.answer(0)
    assert outcomes([future]) == [0]


def test_many_requests_without_a_response_ask_one_question(bench: Any) -> None:
    made = bench("hold")
    futures = made.submit(0, 1, 2, 3)
    made.inner.fail(*range(4), error=DeadlineError("late", condition="doubtful"))
    made.say(False)
    for _ in range(2):  # the second question waits for the end of the outage
        made.asked.get(timeout=LIMIT)
    assert made.transport.unavailable_since is not None
    made.say(True)
    made.inner.wait_for(0, 1, 2, 3, 0, 1, 2, 3)
    made.inner.answer(0, 1, 2, 3)
    assert outcomes(futures) == [0, 1, 2, 3]


def test_closing_during_a_question_reports_no_outage(
    bench: Any, caplog: Any, monkeypatch: Any
) -> None:
    made = bench("hold")
    close = made.inner.close
    monkeypatch.setattr(made.inner, "close", lambda: (made.say(False), close()))
    (future,) = made.submit(0)
    made.inner.fail(0, error=TransportError("too many", condition="overloaded"))
    made.asked.get(timeout=LIMIT)
    made.transport.close()
    assert outcomes([future]) == [OutageError]
    is_over()
    assert not any("unavailable" in message for message in caplog.messages)


def test_a_bug_in_is_ready_leaves_no_future_open(bench: Any, monkeypatch: Any) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: seen.append(args.exc_type))
    made = bench("hold")
    futures = made.submit(0, 1)
    made.inner.fail(0)
    made.say(ZeroDivisionError())
    assert outcomes(futures[:1]) == [OutageError]
    made.inner.fail(1)
    assert outcomes(futures + made.submit(2)) == [OutageError] * 3
    is_over()
    assert seen == [ZeroDivisionError]


@pytest.mark.parametrize(("policy", "end"), [("hold", TransportError), ("drop", OutageError)])
def test_a_failed_request_ends_if_no_thread_can_start(
    bench: Any, monkeypatch: Any, policy: str, end: Any
) -> None:
    def cannot(_: Any) -> None:
        raise RuntimeError("can't start new thread")

    made = bench(policy)
    futures = made.submit(0)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", cannot)
        made.inner.fail(0)
    assert outcomes(futures) == [end]
    futures = made.submit(1)
    made.inner.answer(1)
    assert outcomes(futures) == [1]


class Random:
    """Completes or fails requests as `plan` says, at once or from other threads."""

    model = ModelInfo("model")
    reopened = 0

    def __init__(self, plan: list[str]) -> None:
        self.plan = iter(plan)
        self.pool = ThreadPoolExecutor(2)
        self.state: dict[int, str] = {}
        self.overtaken: list[int] = []
        self.submitting = threading.Lock()
        self.together = 0
        self.futures: list[Future[Result | None]] = []  # the outer ones

    def submit(self, request: Request) -> Future[Result | None]:
        if not self.submitting.acquire(blocking=False):
            self.together += 1
        me = number(request)
        # Nothing is sent while something older is held.
        self.overtaken += [
            n
            for n, state in self.state.items()
            if n < me and state == "lost" and not self.futures[n].done()
        ]
        self.state[me] = "inside"
        future: Future[Result | None] = Future()
        action, _, later = next(self.plan, "answer").partition(" ")
        end = self.answer if action == "answer" else self.lose
        if later:
            self.pool.submit(end, me, future)
        else:
            end(me, future)
        self.submitting.release()
        return future

    def answer(self, me: int, future: Future[Result | None]) -> None:
        self.state[me] = "answered"
        future.set_result(Result({"image": np.full(1, me)}))

    def lose(self, me: int, future: Future[Result | None]) -> None:
        self.state[me] = "lost"
        future.set_exception(lost())

    def close(self) -> None:
        self.pool.shutdown()


ACTIONS = ["answer", "lose", "answer later", "lose later"]
PLANS = st.one_of(
    st.lists(st.sampled_from(ACTIONS), max_size=30), st.lists(st.sampled_from(ACTIONS[:2]))
)


@settings(max_examples=2 * settings().max_examples)
@given(PLANS, st.lists(st.booleans(), max_size=10), st.integers(1, 4), st.sampled_from(POLICIES))
def test_in_any_sequence_every_request_ends_once_and_held_ones_keep_their_order(
    plan: list[str], says: list[bool], window: int, policy: Any
) -> None:
    inner = Random(plan)
    answers = iter(says)
    transport = OutageTransport(inner, lambda _: next(answers, True), policy, wait=lambda *_: None)
    futures = inner.futures
    ends: list[int] = []
    for each in range(20):
        if each >= window:
            futures[each - window].exception(LIMIT)
        futures.append(transport.submit(request(each)))
        futures[-1].add_done_callback(partial(lambda number, _: ends.append(number), each))
    losses = sum(action.startswith("lose") for action in plan)
    for each, end in enumerate(outcomes(futures)):
        if policy == "hold":
            assert end == each or (end is TransportError and losses >= MAX_ATTEMPTS)
        else:
            assert end in (each, OutageError)
    transport.close()
    is_over()
    assert sorted(ends) == list(range(20))
    assert inner.together == 0
    # A request that fails just when the next one is sent comes after that one.
    if policy == "hold" and "lose later" not in plan:
        assert inner.overtaken == []
