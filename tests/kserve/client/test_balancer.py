"""Calls are balanced over several servers, of which some are unavailable."""

from __future__ import annotations

import logging
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from flowrun.errors import TransportError
from flowrun.inference import Request
from flowrun.kserve.client import balancer, readiness
from flowrun.kserve.client.address_states import AddressStates
from flowrun.kserve.client.targets import Target, look_up
from flowrun.kserve.connect import open_supervised
from flowrun.spec.flow import TransportSpec

LIMIT = 10.0  # seconds, a guard against hanging
Build = Callable[..., Any]


class ObservedStates(AddressStates):
    """With a method that waits for a change."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def set(self, unavailable_since: Any) -> None:
        with self._changed:
            super().set(unavailable_since)
            self._changed.notify_all()

    def become(self, available: dict[str, bool]) -> bool:
        """Wait until these addresses are available, or not; false if that takes too long."""

        def found() -> bool:
            return {a: s is None for a, s in self.unavailable_since.items()} == available

        with self._changed:
            return self._changed.wait_for(found, LIMIT)


class Client:
    """A transport in `mode: unary` to several addresses, and the states of these."""

    def __init__(self, *addresses: str, **fields: Any) -> None:
        self.states = ObservedStates()
        spec = TransportSpec("unary", addresses, "model", **{"timeout": LIMIT, **fields})
        self.transport = open_supervised(spec, "fail", states=self.states)

    def send(self, count: int) -> list[Any]:
        return [self.transport.submit(Request({"": picture(number)})) for number in range(count)]

    def get(self, count: int) -> None:
        """Send so many requests, one after the other; each has its own response."""
        for number in range(count):
            result = self.transport.submit(Request({"": picture(number)})).result(LIMIT)
            assert result is not None
            assert (result.only == picture(number)).all()


def picture(number: int) -> npt.NDArray[np.uint8]:
    return np.full((2, 4, 3), number, np.uint8)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Client]]:
    monkeypatch.setattr(balancer, "CHECK_INTERVAL", 0.02)
    monkeypatch.setattr(balancer, "LOOKUP_INTERVAL", 0.02)
    monkeypatch.setattr(readiness, "RESPONSE_TIMEOUT", 0.2)
    monkeypatch.setattr(balancer, "CONNECT_TIMEOUT", 0.2)
    monkeypatch.setattr(balancer, "LONGEST_PAUSE", 0.05)
    clients: list[Client] = []

    def build(*addresses: str, **fields: Any) -> Client:
        clients.append(Client(*addresses, **fields))
        return clients[-1]

    yield build
    for each in clients:
        each.transport.close()


@pytest.fixture
def unused() -> Iterator[str]:
    """An address at which no server listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_every_address_of_a_list_gets_its_share(scripted: Build, client: Build) -> None:
    servers = [scripted(), scripted(), scripted()]
    sender = client(*(server.address for server in servers))
    sender.get(30)
    assert [len(server.requests) for server in servers] == [10, 10, 10]
    assert sender.states.become({server.address: True for server in servers})


def test_a_server_that_holds_its_requests_gets_no_more_than_the_others(
    scripted: Build, client: Build
) -> None:
    slow, fast = scripted(plan=["never"] * 100), scripted()
    sender = client(slow.address, fast.address)
    sender.send(2)
    assert slow.seen_all(1)
    sender.get(20)
    assert len(slow.requests) == 1


def test_an_unavailable_address_is_named_and_the_others_serve(
    scripted: Build, client: Build, unused: str, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = scripted(), scripted()
    sender = client(one.address, two.address, unused)
    sender.get(20)
    assert sender.states.become({one.address: True, two.address: True, unused: False})
    assert isinstance(sender.states.unavailable_since[unused], datetime)
    assert (len(one.requests), len(two.requests)) == (10, 10)
    assert caplog.messages == [
        f"one of the model servers is unavailable: cannot connect to {unused} (connection refused)"
    ]
    assert sender.transport.unavailable_since is None


def test_a_server_that_is_killed_and_started_again_costs_no_request(
    scripted: Build, client: Build, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flowrun")
    one, two = scripted(), scripted()
    sender = client(one.address, two.address)
    sender.get(4)
    one.stop()
    sender.get(20)
    assert sender.states.become({one.address: False, two.address: True})
    one.start(one.address)
    assert sender.states.become({one.address: True, two.address: True})
    seen = len(one.requests)
    sender.get(20)
    assert len(one.requests) == seen + 10
    assert caplog.messages[-1].startswith(
        f"the model server at {one.address} is available again after "
    )


def test_a_server_without_the_model_is_avoided(scripted: Build, client: Build) -> None:
    one, two = scripted(), scripted()
    sender = client(one.address, two.address)
    one.models = ()
    one.plan = ["status NOT_FOUND"] * 100
    sender.get(10)
    assert sender.states.become({one.address: False, two.address: True})
    one.models, one.plan = ("model",), ()
    assert sender.states.become({one.address: True, two.address: True})


def test_requests_to_a_server_that_hangs_are_sent_to_another_one(
    scripted: Build, client: Build, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = scripted(), scripted()
    sender = client(one.address, two.address, timeout=2.0)
    one.plan = ["silence"] * 100
    one.blocked = ("ServerReady", "ModelReady")
    futures = sender.send(6)
    assert [future.result(LIMIT).only[0, 0, 0] for future in futures] == list(range(6))
    assert sender.states.become({one.address: False, two.address: True})
    (text,) = caplog.messages
    assert re.fullmatch(
        f"one of the model servers is unavailable: no response from {one.address} for [0-9.]+ s",
        text,
    )


def test_a_timeout_before_a_server_is_known_to_hang_costs_no_request(
    scripted: Build, client: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "RESPONSE_TIMEOUT", LIMIT)
    one, two = scripted(), scripted()
    sender = client(one.address, two.address, timeout=1.0)
    sender.get(2)  # the first response of a server may take longer
    one.plan = ["silence"] * 100
    one.blocked = ("ServerReady", "ModelReady")
    futures = sender.send(6)
    assert [future.result(LIMIT).only[0, 0, 0] for future in futures] == list(range(6))
    assert len(two.requests) == 7


def test_a_server_that_is_slow_but_ready_keeps_its_requests(scripted: Build, client: Build) -> None:
    plan = ["answer", *["silence"] * 100]
    one, two = scripted(plan=plan), scripted(plan=plan)
    sender = client(one.address, two.address, timeout=0.5)
    for future in sender.send(2):
        assert future.result(LIMIT) is not None
    for future in sender.send(2):
        assert "within 0.5 s" in str(future.exception(LIMIT))
    assert (len(one.requests), len(two.requests)) == (2, 2)


def test_with_all_addresses_unavailable_the_server_is(scripted: Build, client: Build) -> None:
    one, two = scripted(), scripted()
    sender = client(one.address, two.address)
    one.stop()
    two.stop()
    for future in sender.send(3):
        assert isinstance(future.exception(LIMIT), TransportError)
    assert sender.states.become({one.address: False, two.address: False})
    one.start(one.address)
    two.start(two.address)
    assert sender.states.become({one.address: True, two.address: True})


def test_closing_ends_open_requests_and_all_threads(
    scripted: Build, client: Build, unused: str, threads: Callable[[], list[str]]
) -> None:
    server = scripted(plan=["never"] * 4)
    sender = client(server.address, unused)
    futures = sender.send(4)
    assert server.seen_all(4)
    sender.transport.close()
    for future in futures:
        assert "closed before the response" in str(future.exception(LIMIT))
    assert threads() == []


# --- names


def infos(*ips: str) -> list[Any]:
    """What `getaddrinfo` returns for these."""
    return [
        (socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 9))
        for ip in ips
    ]


@pytest.mark.parametrize(
    ("ips", "found"),
    [
        (["10.0.0.1"], [None]),
        (["10.0.0.1", "10.0.0.1"], [None]),
        (["::1", "127.0.0.1"], [None]),  # one server, by either
        (["10.0.0.1", "10.0.0.2"], ["10.0.0.1:9", "10.0.0.2:9"]),
        (["fd00::1", "fd00::2"], ["[fd00::1]:9", "[fd00::2]:9"]),
        (["fd00::1", "fd00::2", "10.0.0.1", "10.0.0.2"], ["10.0.0.1:9", "10.0.0.2:9"]),
        (["fd00::1", "fd00::2", "10.0.0.1"], ["[fd00::1]:9", "[fd00::2]:9"]),
    ],
)
def test_a_name_has_a_target_for_each_of_several_addresses(
    monkeypatch: pytest.MonkeyPatch, ips: list[str], found: list[str | None]
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: infos(*ips))
    assert look_up("models:9") == tuple(Target("models:9", ip) for ip in found)


@pytest.mark.parametrize("address", ["10.0.0.1:9", "[fd00::1]:9", "unix:/tmp/socket"])
def test_only_names_are_looked_up(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert look_up(address) == (Target(address),)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_one_name_with_several_addresses_is_balanced_over_and_looked_up_again(
    scripted: Build, client: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = scripted(), scripted()
    port = one.address.rpartition(":")[2]
    two.stop()
    two.start(f"127.0.0.2:{port}")
    ips = ["127.0.0.1"]
    system = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        return infos(*ips) if host == "models.test" else system(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    ips[:] = ["127.0.0.1", "127.0.0.2"]
    sender = client(f"models.test:{port}")
    shown = [f"127.0.0.{number}:{port} (models.test:{port})" for number in (1, 2, 3)]
    assert sender.states.become({shown[0]: True, shown[1]: True})
    sender.get(20)
    assert (len(one.requests), len(two.requests)) == (10, 10)
    assert set(one.hosts + two.hosts) == {f"models.test:{port}"}
    ips[:] = ["127.0.0.2", "127.0.0.3"]
    assert sender.states.become({shown[1]: True, shown[2]: True})
    sender.get(20)
    assert len(one.requests) == 10
    assert sender.states.become({shown[1]: True, shown[2]: False})
