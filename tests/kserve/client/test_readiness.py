"""The question whether a server is back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest

from flowrun.kserve.client import readiness
from flowrun.kserve.client.channel import open_channel
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
Build = Callable[..., Any]
Ask = Callable[..., bool]


@pytest.fixture
def ask() -> Iterator[Ask]:
    """Ask a server once."""
    channels: list[grpc.Channel] = []

    def ask(address: str, patience: float = 0.0, **fields: Any) -> bool:
        spec = TransportSpec("unary", (address,), "model", **fields)
        channels.append(open_channel(spec, spec.address))
        return readiness.readiness(channels[-1], spec, (("who", "me"),))(patience)

    yield ask
    for channel in channels:
        channel.close()


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
@pytest.mark.parametrize("patience", [0.0, LIMIT])
def test_a_server_is_ready_when_its_model_is(
    scripted: Build, ask: Ask, fields: dict[str, Any], is_ready: bool, patience: float
) -> None:
    server = scripted(**fields)
    assert ask(server.address, patience, version="1") is is_ready
    assert all(headers["who"] == "me" for headers in server.headers)


@pytest.mark.parametrize("method", ["ServerReady", "ModelReady"])
def test_a_server_that_is_silent_is_not_ready(
    scripted: Build, ask: Ask, monkeypatch: Any, method: str
) -> None:
    monkeypatch.setattr(readiness, "ANSWER", 0.1)
    server = scripted(blocked=(method,))
    assert ask(server.address) is False
    assert server.left.wait(LIMIT)


def test_with_patience_the_answer_comes_with_the_server(scripted: Build, ask: Ask) -> None:
    server = scripted()
    server.stop()
    assert ask(server.address) is False
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(ask(server.address, LIMIT)))
    asking.start()
    server.start(server.address)
    asking.join(LIMIT)
    assert answers == [True]


def test_patience_has_an_end() -> None:
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        spec = TransportSpec("unary", (f"127.0.0.1:{bound.getsockname()[1]}",), "model")
        channel = open_channel(spec, spec.address)
        ready = readiness.readiness(channel, spec)
        assert ready(0.05) is False
        channel.close()
        assert ready(0.05) is False
        assert ready(0.0) is False
