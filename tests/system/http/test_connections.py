"""Which connections end when there are too many, in virtual time."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from flowrun.system.http.connections import Connections

Pair = tuple[socket.socket, socket.socket]  # of the server, of the client


@pytest.fixture
def pair() -> Iterator[Callable[[], Pair]]:
    opened: list[socket.socket] = []

    def pair() -> Pair:
        both = socket.socketpair()
        both[1].setblocking(False)
        opened.extend(both)
        return both

    yield pair
    for each in opened:
        each.close()


def ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


def add(connections: Connections, connection: socket.socket) -> bool:
    return connections.add(connection, threading.Thread())


def test_a_connection_ends_without_a_complete_request_in_time(
    pair: Callable[[], Pair],
) -> None:
    now = [0.0]
    connections = Connections(8, 10.0, lambda: now[0])
    slow, complete, late = pair(), pair(), pair()
    for server, _ in (slow, complete):
        assert add(connections, server)
    connections.received(complete[0])
    now[0] = 5.0
    assert add(connections, late[0])
    now[0] = 10.0
    connections.end_slow()
    assert [ended(client) for _, client in (slow, complete, late)] == [True, False, False]


def test_a_new_connection_takes_the_place_of_the_slowest_request(pair: Callable[[], Pair]) -> None:
    now = [0.0]
    connections = Connections(3, 10.0, lambda: now[0])
    pairs = [pair() for _ in range(3)]
    for server, _ in pairs:
        assert add(connections, server)
        now[0] += 1
    connections.received(pairs[0][0])
    assert add(connections, pair()[0])
    assert [ended(client) for _, client in pairs] == [False, True, False]


def test_requests_that_are_complete_keep_their_places(pair: Callable[[], Pair]) -> None:
    connections = Connections(2, 10.0)
    pairs = [pair() for _ in range(2)]
    for server, _ in pairs:
        add(connections, server)
        connections.received(server)
    assert not add(connections, pair()[0])
    connections.remove(pairs[0][0])
    assert add(connections, pair()[0])
    assert [ended(client) for _, client in pairs] == [False, False]


def test_streams_leave_a_quarter_of_the_places_to_other_requests(pair: Callable[[], Pair]) -> None:
    connections = Connections(8, 10.0)
    servers = [pair()[0] for _ in range(8)]
    streaming = []
    for server in servers:
        add(connections, server)
        connections.received(server)
        streaming.append(connections.may_stream(server))
    assert streaming == [True] * 6 + [False] * 2
    connections.remove(servers[0])
    assert connections.may_stream(servers[6])
