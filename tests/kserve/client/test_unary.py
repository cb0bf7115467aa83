"""One call for each request, against a server that follows a script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import pytest

from flowrun.errors import ContractError, DeadlineError, TransportError
from flowrun.inference import Request
from flowrun.kserve.client.connection import Connection
from flowrun.kserve.client.unary import UnaryTransport
from flowrun.kserve.contract.model_info import ModelInfo
from flowrun.kserve.grpc_errors import GrpcErrors
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
SHORT = 0.2
Build = Callable[..., Any]


def picture(number: int) -> npt.NDArray[np.uint8]:
    return np.full((2, 4, 3), number, np.uint8)


def submit(transport: Any, *numbers: int) -> list[Any]:
    return [transport.submit(Request({"": picture(number)})) for number in numbers]


def error(future: Any) -> Any:
    return future.exception(LIMIT)


def test_every_response_belongs_to_its_request(scripted: Build, connect: Build) -> None:
    transport = connect(scripted(), "unary")
    for number, future in enumerate(submit(transport, *range(20))):
        result = future.result(LIMIT)
        assert (result.only == picture(number)).all()
        assert not result.only.flags.writeable
        assert (result.responses, result.generation) == (1, 1)
    assert transport.reopened == 0


def test_requests_carry_model_version_parameters_and_headers(
    scripted: Build, connect: Build
) -> None:
    server = scripted()
    transport = connect(
        server, "unary", version="1", parameters={"seed": 3}, headers={"X-Tenant": "a"}
    )
    submit(transport, 1)[0].result(LIMIT)
    (request,) = server.requests
    assert (request.model_name, request.model_version, request.id) == ("model", "1", "1")
    assert request.inputs[0].name == "image"
    assert list(request.parameters) == ["seed"]
    assert request.parameters["seed"].int64_param == 3
    assert server.headers[0]["x-tenant"] == "a"


def test_no_response_in_time_is_a_deadline_error_and_fails_one_frame(
    scripted: Build, connect: Build
) -> None:
    server = scripted(plan=["answer", "never"])
    transport = connect(server, "unary", timeout=SHORT)
    assert submit(transport, 0)[0].result(LIMIT) is not None
    (late,) = submit(transport, 1)
    assert isinstance(error(late), DeadlineError)
    assert str(error(late)) == f"transport.timeout: no response from {server.address} within 0.2 s"
    assert error(late).code == "DEADLINE_EXCEEDED"


def test_a_status_fails_one_frame_and_is_named(scripted: Build, connect: Build) -> None:
    transport = connect(scripted(plan=["status INVALID_ARGUMENT"]), "unary")
    (bad,) = submit(transport, 1)
    assert str(error(bad)) == (
        "transport: the server answered INVALID_ARGUMENT: as the script says"
    )
    assert error(bad).code == "INVALID_ARGUMENT"
    assert submit(transport, 2)[0].result(LIMIT) is not None


def test_a_message_that_is_too_large_for_the_server_is_named(
    scripted: Build, connect: Build
) -> None:
    transport = connect(scripted(limit=20), "unary")
    (large,) = submit(transport, 1)
    assert str(error(large)).endswith(
        "\n  raise the server's message size limit, or send smaller pictures"
    )
    assert error(large).code == "RESOURCE_EXHAUSTED"


def test_aborted_means_nothing_detected_on_ovms(scripted: Build, connect: Build) -> None:
    transport = connect(scripted("ovms", ["status ABORTED"]), "unary")
    result = submit(transport, 1)[0].result(LIMIT)
    assert result is not None
    assert (result.outputs, result.responses) == ({}, 0)


@pytest.mark.parametrize("style", ["triton", "plain"])
def test_aborted_is_a_failure_elsewhere(scripted: Build, connect: Build, style: str) -> None:
    transport = connect(scripted(style, ["status ABORTED"]), "unary")
    assert error(submit(transport, 1)[0]).code == "ABORTED"


def test_a_response_without_outputs_is_none(scripted: Build, connect: Build) -> None:
    transport = connect(scripted(plan=["nothing"]), "unary")
    assert submit(transport, 1)[0].result(LIMIT) is None


@pytest.mark.parametrize(
    ("action", "text"),
    [
        (
            "malformed",
            "transport: output 'output' is malformed: UINT8 [2, 4, 3] needs 24 bytes, but has 23",
        ),
        ("garbage", "transport: the server sent 3 bytes that are not a valid response"),
    ],
)
def test_a_malformed_response_fails_one_frame(
    scripted: Build, connect: Build, action: str, text: str
) -> None:
    transport = connect(scripted(plan=[action]), "unary")
    assert str(error(submit(transport, 1)[0])) == text
    assert submit(transport, 2)[0].result(LIMIT) is not None


def test_a_lost_connection_that_is_restored_is_counted(scripted: Build, connect: Build) -> None:
    server = scripted()
    transport = connect(server, "unary")
    submit(transport, 1)[0].result(LIMIT)
    server.stop()
    assert error(submit(transport, 2)[0]).code == "UNAVAILABLE"
    server.start(server.address)
    outcome = None
    while outcome is None:  # gRPC chooses when to reconnect
        (future,) = submit(transport, 3)
        outcome = None if error(future) else future.result()
    assert transport.reopened == 1


def test_what_cannot_be_sent_is_the_futures_error(scripted: Build, connect: Build) -> None:
    transport = connect(scripted(), "unary")
    future = transport.submit(Request({"": np.zeros(3, complex)}))
    assert error(future).message == "an array of complex128 cannot be sent to a model"


def test_an_unnamed_tensor_for_several_inputs_is_the_futures_error(
    scripted: Build, connect: Build
) -> None:
    server = scripted(inputs=[("a", "INVALID", ()), ("b", "INVALID", ())])
    transport = connect(server, "unary")
    assert isinstance(error(submit(transport, 1)[0]), ContractError)
    tensors = {"a": picture(1), "b": picture(2)}
    assert transport.submit(Request(tensors)).result(LIMIT) is not None


def test_closing_ends_every_call_and_leaves_no_thread(
    scripted: Build, connect: Build, threads: Build
) -> None:
    server = scripted(plan=["never"] * 3)
    transport = connect(server, "unary")
    futures = submit(transport, 1, 2, 3)
    transport.close()
    transport.close()
    for future in futures:
        assert (
            str(error(future)) == "transport: the connection was closed before the response arrived"
        )
    with pytest.raises(TransportError, match="closed"):
        submit(transport, 4)
    assert threads() == []


def test_calls_are_balanced_over_several_servers(scripted: Build, connect: Build) -> None:
    servers = [scripted(), scripted()]
    transport = connect(servers, "unary")
    # A server that is not connected yet takes no calls, so ask until both have answered.
    for number in range(10_000):
        submit(transport, number % 256)[0].result(LIMIT)
        if all(server.requests for server in servers):
            break
    assert all(server.requests for server in servers)


def test_an_unavailable_server_among_several_is_skipped(scripted: Build, connect: Build) -> None:
    dead, alive = scripted(), scripted()
    dead.stop()
    transport = connect([dead, alive], "unary")
    for future in submit(transport, *range(10)):
        assert future.result(LIMIT) is not None


class Call:
    """A call that ends when the test says so."""

    def add_done_callback(self, callback: Any) -> None:
        self._callback = callback

    def end(self, code: grpc.StatusCode) -> None:
        self._code = code
        self._callback(self)

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "Connection reset by peer"

    def result(self) -> bytes:
        return b""


class Calls:
    """A channel of such calls."""

    def __init__(self) -> None:
        self.made: list[Call] = []

    def unary_unary(self, *_: Any, **__: Any) -> Any:
        return self

    def future(self, *_: Any, **__: Any) -> Call:
        self.made.append(Call())
        return self.made[-1]

    def close(self) -> None:
        pass


def test_a_response_to_an_older_call_is_not_a_restored_connection() -> None:
    spec = TransportSpec("unary", ("server:9",), "model", input="image")
    channel: Any = Calls()
    transport = UnaryTransport(
        Connection(channel, spec, GrpcErrors(spec, "server:9")), ModelInfo("model")
    )
    for _ in range(2):
        futures = submit(transport, 1, 2, 3)
        first, second, third = channel.made[-3:]
        second.end(grpc.StatusCode.UNAVAILABLE)
        first.end(grpc.StatusCode.OK)
        third.end(grpc.StatusCode.UNAVAILABLE)
        assert futures[0].result(LIMIT) is None
        assert [error(future).code for future in futures[1:]] == ["UNAVAILABLE"] * 2
    assert transport.reopened == 0
    submit(transport, 4, 5)
    for call in channel.made[-2:]:
        call.end(grpc.StatusCode.OK)
    assert transport.reopened == 1
    transport.close()
