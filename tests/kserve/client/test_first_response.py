"""The first response of a model may take longer than the others, but has to arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any

import numpy as np
import pytest

from flowrun.errors import DeadlineError, FirstDeadlineError, TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.client.outage import OutageTransport
from flowrun.kserve.connect import open_supervised
from flowrun.spec.flow import OnOutage, TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
SHORT = 0.1
MODES = ["unary", "stream"]
Build = Callable[..., Any]


def submit(transport: OutageTransport, *numbers: int) -> list[Future[Result | None]]:
    images = [np.full((2, 4, 3), number, np.uint8) for number in numbers]
    return [transport.submit(Request({"": image})) for image in images]


def numbers(futures: list[Future[Result | None]]) -> list[int]:
    results = [future.result(LIMIT) for future in futures]
    return [int(result.only[0, 0, 0]) for result in results if result is not None]


@pytest.fixture
def supervise() -> Iterator[Build]:
    """Open a transport to scripted servers; the keywords are fields of the flow's `transport`."""
    transports: list[OutageTransport] = []

    def build(*servers: Any, mode: Any, policy: OnOutage = "hold", **fields: Any) -> Any:
        addresses = tuple(server.address for server in servers)
        spec = TransportSpec(mode, addresses, "model", **fields)
        transports.append(open_supervised(spec, policy))
        return transports[-1]

    yield build
    for transport in transports:
        transport.close()


@pytest.mark.parametrize("mode", MODES)
def test_the_first_response_may_take_longer_than_the_others(
    scripted: Build, supervise: Build, mode: str
) -> None:
    server = scripted(plan=["gated"] * 3)
    transport = supervise(server, mode=mode, timeout=SHORT, first_timeout=LIMIT)
    futures = submit(transport, 1, 2, 3)
    assert not wait(futures, 3 * SHORT).done
    server.gate.set()
    assert numbers(futures) == [1, 2, 3]


@pytest.mark.parametrize("mode", MODES)
def test_after_the_first_response_requests_have_their_timeout(
    scripted: Build, supervise: Build, mode: str
) -> None:
    server = scripted(plan=["answer", "silence"])
    transport = supervise(server, mode=mode, timeout=SHORT, first_timeout=600)
    assert numbers(submit(transport, 1)) == [1]
    error = submit(transport, 2)[0].exception(LIMIT)
    assert type(error) is DeadlineError
    assert "within 0.1 s" in str(error)


def test_requests_of_a_stream_sent_before_the_first_response_have_their_timeout_from_then(
    scripted: Build, supervise: Build
) -> None:
    server = scripted("plain", ["answer", "never"])
    transport = supervise(server, mode="stream", timeout=SHORT, first_timeout=600)
    first, second = submit(transport, 1, 2)
    assert numbers([first]) == [1]
    assert type(second.exception(LIMIT)) is DeadlineError


@pytest.mark.parametrize("policy", ["hold", "drop"])
@pytest.mark.parametrize("mode", MODES)
def test_a_model_that_does_not_respond_at_all_is_reported(
    scripted: Build, supervise: Build, mode: str, policy: OnOutage
) -> None:
    server = scripted(plan=["never"] * 100)
    transport = supervise(server, mode=mode, policy=policy, timeout=LIMIT, first_timeout=SHORT)
    error = submit(transport, 1)[0].exception(LIMIT)
    assert type(error) is FirstDeadlineError
    assert str(error) == (
        f"transport.first_timeout: model 'model' at {server.address} has not responded to its first"
        " request within 0.1 s\n"
        "  set it higher if the model needs longer to start, or see the server's log"
    )


@pytest.mark.parametrize("style", ["triton", "mlserver"])
def test_with_several_requests_in_flight_the_first_one_reports_it(
    scripted: Build, supervise: Build, style: str
) -> None:
    server = scripted(style, ["never"] * 100)
    transport = supervise(server, mode="stream", timeout=LIMIT, first_timeout=SHORT)
    futures = submit(transport, 1, 2, 3)
    assert type(futures[0].exception(LIMIT)) is FirstDeadlineError


@pytest.mark.parametrize("mode", MODES)
def test_after_an_outage_the_model_has_as_long_again(
    scripted: Build, supervise: Build, mode: str
) -> None:
    server = scripted(plan=["answer", *["never"] * 100])
    # Long enough for the first response on a busy machine.
    transport = supervise(server, mode=mode, timeout=LIMIT, first_timeout=10 * SHORT)
    assert numbers(submit(transport, 1)) == [1]
    (held,) = submit(transport, 2)
    assert server.seen_all(2)
    server.stop()
    server.start(server.address)
    error = held.exception(LIMIT)
    assert type(error) is FirstDeadlineError
    assert "to its first request after an outage within" in str(error)


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_is_not_ready_is_waited_for_instead(
    scripted: Build, supervise: Build, mode: str
) -> None:
    server = scripted("triton", ["never"])
    transport = supervise(server, mode=mode, timeout=LIMIT, first_timeout=SHORT)
    server.model_ready = False
    (future,) = submit(transport, 1)
    assert server.seen_all(1)
    assert not wait([future], 3 * SHORT).done
    assert transport.unavailable_since is not None
    server.model_ready = True
    assert numbers([future]) == [1]


@pytest.mark.parametrize("mode", MODES)
def test_a_refusal_is_a_response_and_an_overload_is_not(
    scripted: Build, supervise: Build, mode: str
) -> None:
    status = {"unary": "status {}", "stream": "error: {}"}[mode]
    overload = status.format("RESOURCE_EXHAUSTED" if mode == "unary" else "the queue is full")
    server = scripted(plan=[overload, "gated"])
    transport = supervise(server, mode=mode, timeout=SHORT, first_timeout=LIMIT)
    futures = submit(transport, 1)
    assert server.seen_all(2)
    assert not wait(futures, 3 * SHORT).done
    server.gate.set()
    assert numbers(futures) == [1]
    refusal = status.format("INVALID_ARGUMENT" if mode == "unary" else "this picture is bad")
    server = scripted(plan=[refusal, "silence"])
    transport = supervise(server, mode=mode, timeout=SHORT, first_timeout=600)
    for expected in (TransportError, DeadlineError):
        assert type(submit(transport, 1)[0].exception(LIMIT)) is expected


def test_a_status_of_the_server_before_the_deadline_is_no_first_deadline(
    scripted: Build, supervise: Build
) -> None:
    server = scripted(plan=["status DEADLINE_EXCEEDED"])
    transport = supervise(server, mode="unary", timeout=LIMIT, first_timeout=600)
    assert type(submit(transport, 1)[0].exception(LIMIT)) is DeadlineError


def test_each_of_several_servers_may_take_longer_for_its_first_response(
    scripted: Build, supervise: Build
) -> None:
    fast, slow = scripted(), scripted(plan=["gated"])
    transport = supervise(fast, slow, mode="unary", timeout=SHORT, first_timeout=LIMIT)
    futures = submit(transport, 1, 2)
    assert fast.seen_all(1)
    assert slow.seen_all(1)
    done, open_ = wait(futures, 3 * SHORT)
    assert (len(done), len(open_)) == (1, 1)
    slow.gate.set()
    assert numbers(futures) == [1, 2]
