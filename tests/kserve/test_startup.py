"""Wait for a model server that is not available at startup."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from flowrun.errors import ContractError, ModelNotReadyError, TransportError
from flowrun.kserve import startup
from flowrun.kserve.startup import ServerWait
from flowrun.spec.flow import Tls, TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
Build = Callable[..., Any]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "LONGEST_PAUSE", 0.05)


def spec_of(server: Any, **fields: Any) -> TransportSpec:
    return TransportSpec("unary", (server.address,), "model", **{"timeout": LIMIT, **fields})


class Waiting:
    """A wait on a thread of its own; `ended` has whether the model is ready, or the error."""

    def __init__(self, spec: TransportSpec, caplog: pytest.LogCaptureFixture) -> None:
        self.server_wait = ServerWait(spec)
        self.ended: list[Any] = []
        self._caplog = caplog
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        try:
            self.ended.append(self.server_wait.wait())
        except Exception as error:
            self.ended.append(error)

    def until_logged(self, text: str) -> None:
        while not any(text in message for message in self._caplog.messages):
            assert self._thread.is_alive()

    def end(self) -> Any:
        self._thread.join(LIMIT)
        (ended,) = self.ended
        return ended


def test_a_server_that_is_started_later_is_waited_for(
    scripted: Build, caplog: pytest.LogCaptureFixture
) -> None:
    server = scripted()
    server.stop()
    waiting = Waiting(spec_of(server), caplog)
    text = (
        f"transport: cannot connect to {server.address} (connection refused); waiting until the"
        " model is ready"
    )
    waiting.until_logged(text)
    server.start(server.address)
    assert waiting.end() is True
    assert caplog.messages == [text]


def test_a_model_that_is_loading_is_waited_for(
    scripted: Build, caplog: pytest.LogCaptureFixture
) -> None:
    server = scripted(model_ready=False)
    waiting = Waiting(spec_of(server), caplog)
    waiting.until_logged("model 'model' is not ready; waiting")
    server.model_ready = True
    assert waiting.end() is True


def test_a_model_that_the_server_does_not_have_yet_is_waited_for_if_the_flow_says_so(
    scripted: Build, caplog: pytest.LogCaptureFixture
) -> None:
    server = scripted(models=())
    waiting = Waiting(spec_of(server, startup="wait"), caplog)
    waiting.until_logged("the server has no model 'model'")
    server.models = ("model",)
    assert waiting.end() is True


@pytest.mark.parametrize("status", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_a_server_that_refuses_for_now_is_waited_for(
    scripted: Build, caplog: pytest.LogCaptureFixture, status: str
) -> None:
    server = scripted(models=(), missing=status, unimplemented=("RepositoryIndex",))
    waiting = Waiting(spec_of(server), caplog)
    waiting.until_logged("is not here")
    server.models = ("model",)
    assert waiting.end() is True


def test_what_needs_a_change_of_the_flow_is_not_waited_for(scripted: Build) -> None:
    with pytest.raises(ContractError, match="the server has no model 'model'"):
        ServerWait(spec_of(scripted(models=("other",)))).wait()
    with pytest.raises(TransportError, match="TLS handshake failed"):
        ServerWait(spec_of(scripted(), startup="wait", tls=Tls())).wait()
    with pytest.raises(ContractError, match="has no version"):
        ServerWait(spec_of(scripted(), startup="wait", version="7")).wait()


def test_a_stop_ends_the_wait_for_a_server_that_does_not_respond(
    scripted: Build, caplog: pytest.LogCaptureFixture
) -> None:
    server = scripted(blocked=("ServerMetadata",))
    waiting = Waiting(spec_of(server, timeout=3600.0), caplog)
    while not server.headers:  # it has answered the first call
        pass
    waiting.server_wait.stop()
    assert waiting.end() is False
    assert waiting.server_wait.wait() is False


def test_what_fails_after_the_wait_is_tried_again(scripted: Build) -> None:
    failures: list[Exception] = [
        TransportError("refused", code="UNAVAILABLE", key="transport.address"),
        ModelNotReadyError("loading", key="transport.model"),
    ]

    def opened() -> str:
        if failures:
            raise failures.pop()
        return "open"

    assert ServerWait(spec_of(scripted())).open(opened) == "open"
    failures.append(ContractError("shape", key="transport.layout"))
    with pytest.raises(ContractError, match="shape"):
        ServerWait(spec_of(scripted())).open(opened)
