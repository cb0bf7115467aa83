"""Transports with `hold` and a server that accepts no request for a while, in both modes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from flowrun.errors import ContractError, TransportError
from flowrun.inference import Request
from flowrun.kserve.connect import open_supervised
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
MODES = ["unary", "stream"]
Build = Callable[..., Any]


@pytest.fixture
def supervised() -> Iterator[Build]:
    """Open a transport to a server, with a policy for outages."""
    transports: list[Any] = []

    def build(server: Any, mode: Any, policy: Any = "hold") -> Any:
        spec = TransportSpec(mode, (server.address,), "model", timeout=LIMIT)
        transports.append(open_supervised(spec, policy, shown=True))
        return transports[-1]

    yield build
    for transport in transports:
        transport.close()


def submit(transport: Any, *numbers: int) -> list[Any]:
    return [
        transport.submit(Request({"": np.full((2, 4, 3), number, np.uint8)})) for number in numbers
    ]


def outcomes(futures: Sequence[Any]) -> list[Any]:
    """What each future ended with: the number of the picture, or its error."""
    return [
        future.exception(LIMIT) or int(future.result().outputs["output"][0, 0, 0])
        for future in futures
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("response", ["junk", "garbage", "malformed"])
def test_a_hostile_response_costs_one_frame(
    scripted: Build, supervised: Build, mode: str, response: str
) -> None:
    server = scripted("triton", ["answer", response])
    transport = supervised(server, mode)
    ends = [outcomes(submit(transport, number))[0] for number in range(4)]
    assert [ends[0], *ends[2:]] == [0, 2, 3]
    assert isinstance(ends[1], TransportError)
    assert ends[1].condition == "malformed"
    assert transport.reopened == 0
    assert len(server.requests) == 4


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "NOT_FOUND", "CANCELLED"])
def test_what_a_server_rejects_for_a_while_is_sent_again(
    scripted: Build, supervised: Build, mode: str, status: str
) -> None:
    server = scripted(plan=["answer", f"status {status}", "answer", f"status {status}"])
    transport = supervised(server, mode)
    assert outcomes(submit(transport, 0)) == [0]
    assert outcomes(submit(transport, 1, 2, 3, 4)) == [1, 2, 3, 4]
    assert len(server.requests) > 5


@pytest.mark.parametrize("mode", MODES)
def test_an_unloaded_model_is_waited_for_and_gets_no_requests(
    scripted: Build, supervised: Build, mode: str, caplog: Any
) -> None:
    server = scripted(plan=["answer", "status NOT_FOUND"])
    transport = supervised(server, mode)
    assert outcomes(submit(transport, 0)) == [0]
    server.models = ()
    futures = submit(transport, 1)
    assert server.seen_all(2)
    while transport.unavailable_since is None:
        pass
    futures += submit(transport, 2, 3)
    assert len(server.requests) == 2
    server.models = ("model",)
    assert outcomes(futures) == [1, 2, 3]
    assert caplog.messages[0].startswith(
        "the model server is available, but the model is not ready: the server answered NOT_FOUND"
    )


def test_the_stream_to_a_server_without_the_model_is_closed_because_its_shutdown_may_wait_for_that(
    scripted: Build, supervised: Build
) -> None:
    server = scripted("triton", ["answer", "error: Request for unknown model"])
    transport = supervised(server, "stream")
    assert outcomes(submit(transport, 0)) == [0]
    server.models = ()
    futures = submit(transport, 1)
    assert server.half_closed.wait(LIMIT)
    futures += submit(transport, 2)
    server.models = ("model",)
    assert outcomes(futures) == [1, 2]
    assert [future.result().generation for future in futures] == [2, 2]  # its state is lost
    assert (server.streams, transport.reopened) == (2, 1)


def test_an_overload_leaves_the_stream_and_its_state_as_they_are(
    scripted: Build, supervised: Build
) -> None:
    server = scripted("triton", ["answer", "error: Exceeds maximum queue size"])
    transport = supervised(server, "stream")
    assert outcomes(submit(transport, 0, 1, 2)) == [0, 1, 2]
    assert (server.streams, transport.reopened) == (1, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", ["hold", "drop"])
def test_at_the_first_refusal_a_model_that_no_longer_fits_ends_everything(
    scripted: Build, supervised: Build, mode: str, policy: str
) -> None:
    plan = ["answer", *["error" if mode == "stream" else "status INVALID_ARGUMENT"] * 2]
    server = scripted(plan=plan)
    transport = supervised(server, mode, policy)
    assert outcomes(submit(transport, 0)) == [0]
    server.inputs = (("image", "FP32", (3, 640, 640)),)
    (error,) = outcomes(submit(transport, 1))
    assert isinstance(error, ContractError)
    assert error.message == (
        "model 'model' expects 'image' as FP32 [3, 640, 640], but the flow sends UINT8 [2, 4, 3];"
        " the model has changed during the run and now has the input 'image' FP32 [3, 640, 640] and"
        " the output 'output' UINT8 [-1, -1, 3]"
    )
    (again,) = outcomes(submit(transport, 2))
    assert (type(again), str(again)) == (ContractError, str(error))
    assert again is not error
    assert len(server.requests) == 2


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("policy", ["hold", "drop"])
def test_a_refusal_by_a_model_that_still_fits_costs_one_frame(
    scripted: Build, supervised: Build, mode: str, policy: str
) -> None:
    plan = ["answer", "error with id" if mode == "stream" else "status INVALID_ARGUMENT"]
    transport = supervised(scripted(plan=plan), mode, policy)
    ends = outcomes(submit(transport, 0, 1, 2, 3))
    failed = [number for number, end in enumerate(ends) if end != number]
    assert [type(ends[number]) for number in failed] == [TransportError]  # calls overtake others


@pytest.mark.parametrize("mode", MODES)
def test_after_an_outage_a_model_that_no_longer_fits_ends_everything(
    scripted: Build, supervised: Build, mode: str
) -> None:
    server = scripted()
    transport = supervised(server, mode)
    assert outcomes(submit(transport, 0)) == [0]
    server.stop()
    futures = submit(transport, 1, 2)
    while transport.unavailable_since is None:
        pass
    server.outputs = (("boxes", "INT64", (1, 5)),)
    server.start(server.address)
    errors = outcomes(futures)
    assert [type(error) for error in errors] == [ContractError] * 2
    assert "'boxes'" in errors[0].message
    assert len(server.requests) == 1


def test_a_stream_that_ends_with_several_requests_in_flight_fails_only_the_refused_one(
    scripted: Build, supervised: Build
) -> None:
    plan = ["answer", "never", "never", "status INVALID_ARGUMENT", "answer", "answer"]
    transport = supervised(scripted(plan=[*plan, "status INVALID_ARGUMENT"]), "stream")
    assert outcomes(submit(transport, 0)) == [0]
    ends = outcomes(submit(transport, 1, 2, 3))
    assert ends[:2] == [1, 2]
    assert ends[2].code == "INVALID_ARGUMENT"
