"""In any sequence of troubles, with `hold`, what the server does not refuse arrives."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrun.errors import DeadlineError, TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.client.backoff import LONGEST_PAUSE
from flowrun.kserve.client.outage import OutageTransport
from flowrun.kserve.client.outage_state import MAX_ATTEMPTS
from flowrun.kserve.contract.model_info import ModelInfo

LIMIT = 10.0  # seconds, a guard against hanging
ABSENT = 2.5  # virtual seconds without the server or its model
FRAMES = 25


class Server:
    """Treats each request as the plan says, then answers all. Time passes only by waiting.

    "away": the connection is lost; "vanish": the model is unloaded; both last `ABSENT`. While it is
    absent, every request fails in the same way.
    """

    model = ModelInfo("model")
    reopened = 0

    def __init__(self, plan: list[str]) -> None:
        self.plan = iter(["answer", *plan])  # the model is there at first
        self.now = self.trouble = 0.0
        self.ready_at = 0.0
        self.absent = "away"
        self.refused: set[int] = set()  # by the server, whatever the client does
        self.crashed: dict[int, int] = {}  # how often the server failed with a request
        self.sent: list[int] = []
        self.pool = ThreadPoolExecutor(2)
        self._lock = threading.Lock()

    def submit(self, request: Request) -> Future[Result | None]:
        number = int(request.inputs["image"][0])
        future: Future[Result | None] = Future()
        with self._lock:
            self.sent.append(number)
            action, _, later = next(self.plan, "answer").partition(" ")
            if self.now < self.ready_at:
                action = self.absent
            end = self._end(number, action)
        if later:
            self.pool.submit(self._finish, future, end)
        else:
            self._finish(future, end)
        return future

    def is_ready(self, _timeout: float) -> bool:
        return self.now >= self.ready_at

    def wait(self, _closed: threading.Event, seconds: float) -> None:
        self.now += seconds

    def close(self) -> None:
        self.pool.shutdown()

    def _end(self, number: int, action: str) -> Result | TransportError:
        if action == "answer":
            return Result({"image": np.full(1, number)})
        self.trouble = self.now
        if action in ("away", "vanish", "interrupt"):
            self.crashed[number] = self.crashed.get(number, 0) + 1
        if action in ("away", "vanish"):
            if self.now >= self.ready_at:
                self.ready_at = self.now + ABSENT
                self.absent = action
            condition = "unavailable" if action == "away" else "not ready"
            return TransportError(action, condition=condition)  # type: ignore[arg-type]
        if action == "overload":
            return TransportError(action, condition="overloaded")
        if action == "interrupt":
            return TransportError(action, condition="interrupted")
        self.refused.add(number)
        if action == "silence":
            return DeadlineError(action, condition="doubtful")
        return TransportError(action, condition="doubtful" if action == "refuse" else "malformed")

    def _finish(self, future: Future[Result | None], end: Result | TransportError) -> None:
        if isinstance(end, Result):
            future.set_result(end)
        else:
            future.set_exception(end)


NAMES = ["answer", "away", "vanish", "overload", "interrupt", "refuse", "silence", "odd"]
SYNCHRONOUS = st.lists(st.sampled_from(NAMES), max_size=40)
MIXED = st.lists(
    st.sampled_from([*NAMES, *(f"{name} later" for name in NAMES), *["answer later"] * 4]),
    max_size=40,
)


@settings(max_examples=2 * settings().max_examples)
@given(st.one_of(SYNCHRONOUS, MIXED), st.integers(1, 6))
def test_every_frame_that_is_not_refused_is_delivered_soon_after_the_last_trouble(
    plan: list[str], window: int
) -> None:
    server = Server(plan)
    clock = lambda: server.now  # noqa: E731
    transport = OutageTransport(server, server.is_ready, "hold", wait=server.wait, clock=clock)
    futures: list[Future[Result | None]] = []
    for number in range(FRAMES):
        if number >= window:  # as the chain does: the oldest must have ended
            futures[number - window].exception(LIMIT)
        futures.append(transport.submit(Request({"image": np.full(1, number)})))
    for number, future in enumerate(futures):
        error = future.exception(LIMIT)
        if error is not None:
            crashes = server.crashed.get(number, 0)
            assert number in server.refused or crashes >= MAX_ATTEMPTS, (number, error)
        else:
            result = future.result()
            assert result is not None
            assert result.outputs["image"][0] == number
    assert server.now <= server.trouble + ABSENT + 3 * LONGEST_PAUSE
    transport.close()


def test_a_request_that_crashes_the_server_again_and_again_is_the_only_one_that_fails() -> None:
    class Crashing(Server):
        def _end(self, number: int, action: str) -> Result | TransportError:
            return super()._end(number, "away" if number == 3 else action)

    server = Crashing([])
    transport = OutageTransport(server, server.is_ready, "hold", wait=server.wait)
    futures = [transport.submit(Request({"image": np.full(1, n)})) for n in range(8)]
    errors = [future.exception(LIMIT) for future in futures]
    assert [n for n, error in enumerate(errors) if error] == [3]
    assert MAX_ATTEMPTS <= server.sent.count(3) <= MAX_ATTEMPTS + 3
    transport.close()


def test_a_server_that_is_overloaded_for_long_loses_nothing() -> None:
    server = Server(["overload"] * 50)
    transport = OutageTransport(server, server.is_ready, "hold", wait=server.wait)
    futures = [transport.submit(Request({"image": np.full(1, n)})) for n in range(8)]
    assert all(future.exception(LIMIT) is None for future in futures)
    assert server.now > 20  # pauses of up to a second
    transport.close()
