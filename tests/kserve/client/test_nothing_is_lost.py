"""In any sequence of troubles, with `hold`, what the server does not refuse arrives."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrun.errors import TransportError
from flowrun.inference import Request, Result, Tensor
from flowrun.kserve.client.backoff import LONGEST_PAUSE
from flowrun.kserve.client.outage import OutageTransport
from flowrun.kserve.client.outage_state import MAX_ATTEMPTS
from tests.testbed.troubled_server import ABSENT, TROUBLES, TroubledServer, plans

LIMIT = 10.0  # seconds, a guard against hanging
FRAMES = 25


@settings(max_examples=2 * settings().max_examples)
@given(plans("answer", *TROUBLES), st.integers(1, 6))
def test_every_frame_that_is_not_refused_is_delivered_soon_after_the_last_trouble(
    plan: list[str], window: int
) -> None:
    server = TroubledServer(plan)
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
    class Crashing(TroubledServer):
        def _end(self, number: int, image: Tensor, action: str) -> Result | TransportError:
            return super()._end(number, image, "away" if number == 3 else action)

    server = Crashing([])
    transport = OutageTransport(server, server.is_ready, "hold", wait=server.wait)
    futures = [transport.submit(Request({"image": np.full(1, n)})) for n in range(8)]
    errors = [future.exception(LIMIT) for future in futures]
    assert [n for n, error in enumerate(errors) if error] == [3]
    assert MAX_ATTEMPTS <= server.sent.count(3) <= MAX_ATTEMPTS + 3
    transport.close()


def test_a_server_that_is_overloaded_for_long_loses_nothing() -> None:
    server = TroubledServer(["overload"] * 50)
    transport = OutageTransport(server, server.is_ready, "hold", wait=server.wait)
    futures = [transport.submit(Request({"image": np.full(1, n)})) for n in range(8)]
    assert all(future.exception(LIMIT) is None for future in futures)
    assert server.now > 20  # pauses of up to a second
    transport.close()
