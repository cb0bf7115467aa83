"""The open connections of a server, and which of them ends when there are too many."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Connection:
    """`state` is `receiving` the request, `responding`, `streaming` for as long as it likes, or
    `ended`, and then its thread ends soon."""

    socket: socket.socket
    thread: threading.Thread
    since: float
    state: str = "receiving"


class Connections:
    """At most `limit` connections at once. Thread-safe.

    Requests are short, and probes must get through: a connection that has not sent its request
    within `timeout` seconds is ended, and earlier if another one needs its place; streams take at
    most three quarters of the places.
    """

    def __init__(
        self, limit: int, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[socket.socket, _Connection] = {}

    def add(self, connection: socket.socket, thread: threading.Thread) -> bool:
        """Register a new connection with its thread; false if there is no place for it."""
        with self._lock:
            count = sum(each.state != "ended" for each in self._open.values())
            if count >= self._limit and not self._end_slowest():
                return False
            self._open[connection] = _Connection(connection, thread, self._clock())
            return True

    def received(self, connection: socket.socket) -> None:
        """The request of a connection is complete."""
        self._set(connection, "responding")

    def may_stream(self, connection: socket.socket) -> bool:
        """Whether a connection may send for as long as it likes."""
        with self._lock:
            streams = sum(each.state == "streaming" for each in self._open.values())
            free = streams < max(1, self._limit * 3 // 4)
        if free:
            self._set(connection, "streaming")
        return free

    def remove(self, connection: socket.socket) -> None:
        """The thread of a connection ends."""
        with self._lock:
            self._open.pop(connection, None)

    def end_slow(self) -> None:
        """End connections that have not sent their request in time."""
        with self._lock:
            for each in self._receiving():
                if self._clock() - each.since >= self._timeout:
                    _end(each)

    def end_all(self, seconds: float) -> None:
        """End all connections, and wait up to `seconds` for their threads."""
        with self._lock:
            remaining = list(self._open.values())
            for each in remaining:
                _end(each)
        end = self._clock() + seconds
        for each in remaining:
            each.thread.join(max(0.0, end - self._clock()))

    def _set(self, connection: socket.socket, state: str) -> None:
        with self._lock:
            found = self._open.get(connection)
            if found is not None and found.state != "ended":
                found.state = state

    def _receiving(self) -> list[_Connection]:
        return [each for each in self._open.values() if each.state == "receiving"]

    def _end_slowest(self) -> bool:
        """End the connection that has been sending its request for the longest time; whether there
        was one."""
        slowest = min(self._receiving(), key=lambda each: each.since, default=None)
        if slowest is not None:
            _end(slowest)
        return slowest is not None


def _end(connection: _Connection) -> None:
    connection.state = "ended"
    with contextlib.suppress(OSError):  # it may be closed already
        connection.socket.shutdown(socket.SHUT_RDWR)
