"""The sequences of Triton: one id, a start after each reconnect, an end at the last request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from typing import Any

import numpy as np
import pytest

from flowrun.errors import TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.client.outage import OutageTransport
from flowrun.kserve.connect import open_supervised
from flowrun.spec.flow import OnOutage, TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
MODES = ["unary", "stream"]
LOST = "error: inference request for sequence 7 must specify the START flag on the first request"
Build = Callable[..., Any]


@pytest.fixture
def supervise() -> Iterator[Build]:
    transports: list[OutageTransport] = []

    def build(server: Any, mode: Any, policy: OnOutage = "hold", **fields: Any) -> Any:
        spec = TransportSpec(mode, (server.address,), "model", **{"sequence": True, **fields})
        transports.append(open_supervised(spec, policy))
        return transports[-1]

    yield build
    for transport in transports:
        transport.close()


def submit(transport: OutageTransport, *, last: bool = False) -> Future[Result | None]:
    return transport.submit(Request({"": np.zeros((2, 4, 3), np.uint8)}, last=last))


def flags(server: Any) -> list[str]:
    """S and E for the first and the last request of a sequence, in the order of arrival."""
    ids = {each.parameters["sequence_id"].int64_param for each in server.requests}
    assert len(ids) == 1
    assert ids.pop() > 0
    names = {"sequence_start": "S", "sequence_end": "E"}
    return [
        "".join(sign for name, sign in names.items() if each.parameters[name].bool_param)
        for each in server.requests
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_run_is_one_sequence(scripted: Build, supervise: Build, mode: str) -> None:
    server = scripted("triton")
    transport = supervise(server, mode)
    for last in (False, False, True):
        assert submit(transport, last=last).result(LIMIT) is not None
    assert flags(server) == ["S", "", "E"]


@pytest.mark.parametrize("mode", MODES)
def test_every_run_has_its_own_sequence(scripted: Build, supervise: Build, mode: str) -> None:
    server = scripted("triton")
    for _ in range(2):
        assert submit(supervise(server, mode)).result(LIMIT) is not None
    first, second = (each.parameters["sequence_id"].int64_param for each in server.requests)
    assert first != second


@pytest.mark.parametrize("mode", MODES)
def test_without_the_key_no_request_has_a_sequence(
    scripted: Build, supervise: Build, mode: str
) -> None:
    server = scripted("triton")
    assert submit(supervise(server, mode, sequence=False), last=True).result(LIMIT) is not None
    assert not any(name.startswith("sequence") for name in server.requests[0].parameters)


def test_each_stream_starts_the_sequence_again(scripted: Build, supervise: Build) -> None:
    server = scripted("triton", ["answer", "answer", "status UNAVAILABLE"])
    transport = supervise(server, "stream")
    for _ in range(4):
        assert submit(transport).result(LIMIT) is not None
    assert flags(server) == ["S", "", "", "S", ""]


@pytest.mark.parametrize("mode", MODES)
def test_after_an_outage_the_sequence_starts_again(
    scripted: Build, supervise: Build, mode: str
) -> None:
    server = scripted("triton")
    transport = supervise(server, mode)
    for _ in range(2):
        assert submit(transport).result(LIMIT) is not None
    server.stop()
    held = submit(transport)
    assert not wait([held], 0.1).done
    server.start(server.address)
    assert held.result(LIMIT) is not None
    assert submit(transport).result(LIMIT) is not None
    assert flags(server) == ["S", "", "S", ""]


@pytest.mark.parametrize("mode", MODES)
def test_a_sequence_that_the_server_has_ended_starts_again_and_no_frame_is_lost(
    scripted: Build, supervise: Build, mode: str
) -> None:
    lost = LOST if mode == "stream" else LOST.replace("error", "status INVALID_ARGUMENT")
    server = scripted("triton", ["answer", lost])
    transport = supervise(server, mode)
    for _ in range(3):
        assert submit(transport).result(LIMIT) is not None
    assert flags(server) == ["S", "", "S", ""]


@pytest.mark.parametrize("mode", MODES)
def test_a_request_that_is_refused_does_not_start_the_sequence_again(
    scripted: Build, supervise: Build, mode: str
) -> None:
    refused = "error with id" if mode == "stream" else "status INVALID_ARGUMENT"
    server = scripted("triton", ["answer", refused])
    transport = supervise(server, mode)
    assert submit(transport).result(LIMIT) is not None
    assert isinstance(submit(transport).exception(LIMIT), TransportError)
    assert submit(transport).result(LIMIT) is not None
    assert flags(server) == ["S", "", ""]


@pytest.mark.parametrize(
    ("sequence", "text"),
    [
        (
            True,
            "transport.sequence: the server has ended the sequence: INVALID_ARGUMENT: inference"
            " request for sequence 7 must specify the START flag on the first request\n"
            "  raise `max_sequence_idle_microseconds` of the model if frames are rare",
        ),
        (
            False,
            "transport.sequence: the model is stateful: INVALID_ARGUMENT: inference request for"
            " sequence 7 must specify the START flag on the first request\n"
            "  write `sequence: true` under `transport`",
        ),
    ],
)
def test_a_request_without_its_sequence_is_reported_with_what_to_write(
    scripted: Build, supervise: Build, sequence: bool, text: str
) -> None:
    server = scripted("triton", [LOST.replace("error", "status INVALID_ARGUMENT")])
    transport = supervise(server, "unary", "drop", sequence=sequence)
    assert str(submit(transport).exception(LIMIT)) == text


def test_a_sequence_belongs_to_one_server(scripted: Build) -> None:
    one, two = scripted("triton"), scripted("triton")
    addresses = (one.address, two.address)
    transport = open_supervised(TransportSpec("unary", addresses, "model", sequence=True), "hold")
    for _ in range(4):
        assert submit(transport).result(LIMIT) is not None
    transport.close()
    assert (len(one.requests), len(two.requests)) == (4, 0)
