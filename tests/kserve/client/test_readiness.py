"""Whether a server is ready again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowrun.errors import TransportError
from flowrun.kserve.client import readiness
from flowrun.kserve.client.connection import Connection, open_connection
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
Build = Callable[..., Any]
Ask = Callable[..., bool]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Ask a server once."""
    connections: list[Connection] = []

    def ask(address: str, connect_timeout: float = 0.0, **fields: Any) -> bool:
        headers = {"who": "me"}
        spec = TransportSpec("unary", (address,), "model", headers=headers, **fields)
        connections.append(open_connection(spec, spec.address))
        return readiness.is_ready(connections[-1], connect_timeout)

    yield ask
    for connection in connections:
        connection.channel.close()


@pytest.mark.parametrize(
    ("fields", "is_ready"),
    [
        ({}, True),
        ({"model_ready": False}, False),
        ({"models": ()}, False),
        ({"versions": ("2",)}, False),
        ({"server_ready": False}, True),  # some other model may be the reason
        ({"unimplemented": ("ServerReady",)}, True),
        ({"unimplemented": ("ModelReady",)}, True),
        ({"unimplemented": ("ModelReady",), "server_ready": False}, False),
        ({"unimplemented": ("ServerReady", "ModelReady"), "server_ready": False}, True),
    ],
)
@pytest.mark.parametrize("connect_timeout", [0.0, LIMIT])
def test_a_server_is_ready_when_its_model_is(
    scripted: Build, ask: Ask, fields: dict[str, Any], is_ready: bool, connect_timeout: float
) -> None:
    server = scripted(**fields)
    assert ask(server.address, connect_timeout, version="1") is is_ready
    assert all(headers["who"] == "me" for headers in server.headers)


@pytest.mark.parametrize(
    ("status", "overloaded"),
    [("RESOURCE_EXHAUSTED", True), ("UNAVAILABLE", False), ("INTERNAL", False)],
)
def test_a_server_that_refuses_the_question_as_too_many_is_overloaded(
    scripted: Build, ask: Ask, status: str, overloaded: bool
) -> None:
    server = scripted(models=(), missing=status)
    if not overloaded:
        assert ask(server.address) is False
        return
    with pytest.raises(TransportError) as caught:
        ask(server.address)
    assert caught.value.condition == "overloaded"


@pytest.mark.parametrize("method", ["ServerReady", "ModelReady"])
def test_a_server_that_is_silent_is_not_ready(
    scripted: Build, ask: Ask, monkeypatch: Any, method: str
) -> None:
    monkeypatch.setattr(readiness, "RESPONSE_TIMEOUT", 0.1)
    server = scripted(blocked=(method,))
    assert ask(server.address) is False
    assert server.left.wait(LIMIT)


def test_a_connect_timeout_waits_for_the_server(scripted: Build, ask: Ask) -> None:
    server = scripted()
    server.stop()
    assert ask(server.address) is False
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(ask(server.address, LIMIT)))
    asking.start()
    server.start(server.address)
    asking.join(LIMIT)
    assert answers == [True]


def test_the_connect_timeout_is_kept() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        spec = TransportSpec("unary", (f"127.0.0.1:{bound.getsockname()[1]}",), "model")
        connection = open_connection(spec, spec.address)
        assert readiness.is_ready(connection, 0.05) is False
        connection.channel.close()
        assert readiness.is_ready(connection, 0.05) is False
        assert readiness.is_ready(connection, 0.0) is False
