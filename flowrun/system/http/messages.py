"""Requests and responses of the HTTP server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A GET request. `headers` ignores case in its names."""

    path: str
    query: Mapping[str, str]
    headers: Message[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """A response. A `body` that is an iterable is sent piece by piece until it ends, the client
    disconnects or the server closes; then its `close`, if it has one, is called. It must not block
    for more than half a second: an empty piece means that there is no data yet."""

    body: bytes | Iterable[bytes]
    type: str = TEXT
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Route = Callable[[Request], Response]  # called on the connection's thread
