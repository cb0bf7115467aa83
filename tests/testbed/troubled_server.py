"""A model server in trouble, and virtual time."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from hypothesis import strategies as st

from flowrun.errors import DeadlineError, TransportError
from flowrun.inference import Request, Result, Tensor
from flowrun.kserve.contract.model_info import ModelInfo

ABSENT = 2.5  # virtual seconds without the server or its model


class TroubledServer:
    """Treats each request as the plan says, then answers all. Time passes only by waiting.

    "away": the connection is lost; "vanish": the model is unloaded; both last `ABSENT`. While it is
    absent, every request fails in the same way. A request is told from others by the first number
    of its only input, which is the answer to it.
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
        (image,) = request.inputs.values()
        number = int(image.flat[0])
        future: Future[Result | None] = Future()
        with self._lock:
            self.sent.append(number)
            action, _, later = next(self.plan, "answer").partition(" ")
            if self.now < self.ready_at:
                action = self.absent
            end = self._end(number, image, action)
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

    def _end(self, number: int, image: Tensor, action: str) -> Result | TransportError:
        if action == "answer":
            return Result({"image": image})
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
        return _refusal(action)

    def _finish(self, future: Future[Result | None], end: Result | TransportError) -> None:
        if isinstance(end, Result):
            future.set_result(end)
        else:
            future.set_exception(end)


def _refusal(action: str) -> Result | TransportError:
    if action == "no picture":
        return Result({"image": np.zeros((1, 5), np.int64)})
    if action == "silence":
        return DeadlineError(action, condition="doubtful")
    return TransportError(action, condition="doubtful" if action == "refuse" else "malformed")


TROUBLES = ["away", "vanish", "overload", "interrupt", "refuse", "silence", "odd"]


def plans(*names: str) -> st.SearchStrategy[list[str]]:
    """What happens to requests, one after the other; "NAME later": on another thread."""
    synchronous = st.lists(st.sampled_from(names), max_size=40)
    later = [*(f"{name} later" for name in names), *["answer later"] * 4]
    return st.one_of(synchronous, st.lists(st.sampled_from([*names, *later]), max_size=40))
