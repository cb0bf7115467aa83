"""A small HTTP server with a table of routes, on threads of its own.

Server, connection handler and the types that they exchange are one module: they share the limits.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from flowrun.errors import RunError

log = logging.getLogger("flowrun")

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
HTML = "text/html; charset=utf-8"
_TIMEOUT = 10.0  # seconds to receive a request, and for each write to the client
_CLOSE_TIMEOUT = 0.9  # seconds for the open connections to end
_SEND_BUFFER = 256 * 1024  # bytes; small, so that a slow client gets recent data


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


class HttpServer:
    """Serves GET and HEAD at `address` (`host:port`) from a table of routes by path, until `close`.

    Every connection is one request and has a thread, `flowrun-http`; beyond `connections` of them
    the response is 503. An exception of a route is logged, and the response is 500. `key` is the
    key of the address in the flow. Raises `RunError` if it cannot listen there.
    """

    def __init__(
        self, address: str, routes: Mapping[str, Route], *, key: str, connections: int = 32
    ) -> None:
        try:
            self._server = _Server(address, routes, connections)
        except OSError as error:
            raise RunError(
                f"cannot listen on {address} ({error.strerror or error})",
                key=key,
                hint="another run, or another program, may listen there: choose a free port of this"
                " machine, such as 127.0.0.1:9101",
            ) from error
        host, port = self._server.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        self.url = f"http://{shown}:{port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="flowrun-http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end open connections and all threads; within a second unless a route does
        not return. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(TCPServer):
    request_queue_size = 32
    allow_reuse_address = os.name == "posix"  # elsewhere it would take over a port in use

    def __init__(self, address: str, routes: Mapping[str, Route], connections: int) -> None:
        host, _, port = address.rpartition(":")
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        self.address_family, *_, endpoint = found[0]
        self.routes = routes
        self.closing = threading.Event()
        self._free = threading.BoundedSemaphore(connections)
        self._open: dict[threading.Thread, socket.socket] = {}  # threads that may still run
        super().__init__((str(endpoint[0]), int(endpoint[1])), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            request.settimeout(_CLOSE_TIMEOUT)
            with contextlib.suppress(OSError):  # the client may have disconnected
                request.sendall(b"HTTP/1.0 503 Too many connections\r\nRetry-After: 1\r\n\r\n")
            self.shutdown_request(request)
            return
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="flowrun-http", daemon=True
        )
        self._open = {each: its for each, its in self._open.items() if each.is_alive()}
        self._open[thread] = request
        thread.start()

    def server_close(self) -> None:
        super().server_close()
        self.closing.set()
        for request in self._open.values():
            with contextlib.suppress(OSError):  # it may be closed already
                request.shutdown(socket.SHUT_RDWR)
        end = time.monotonic() + _CLOSE_TIMEOUT
        for thread in self._open:
            thread.join(max(0.0, end - time.monotonic()))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client disconnected during the response."""
        log.debug("http: %s disconnected", client_address, exc_info=True)

    def _serve(self, request: socket.socket, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except OSError:
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)
            self._free.release()


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "flowrun", ""
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        response = self._respond()
        whole = response.body if isinstance(response.body, bytes) else None
        self.send_response(response.status)
        self.send_header("Content-Type", response.type)
        self.send_header("Cache-Control", "no-store")
        for name, value in response.headers.items():
            self.send_header(name, value)
        if whole is not None:
            self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        if self.command == "HEAD":
            _close(response.body)
        elif whole is not None:
            self.wfile.write(whole)
        else:
            self._stream(response.body)

    do_HEAD = do_GET  # noqa: N815 - the name that the library calls

    def log_message(self, text: str, *values: object) -> None:
        log.debug("http: %s: " + text, self.address_string(), *values)

    def _respond(self) -> Response:
        url = urlsplit(self.path)
        route = self.server.routes.get(url.path)
        if route is None:
            known = "\n".join(sorted(self.server.routes))
            return Response(f"not found; the paths are\n{known}\n".encode(), status=404)
        try:
            return route(Request(url.path, dict(parse_qsl(url.query)), self.headers))
        except Exception:
            log.exception("http: %s failed: this is a bug in flowrun", url.path)
            return Response(b"this is a bug in flowrun; its log has the traceback\n", status=500)

    def _stream(self, pieces: Any) -> None:
        try:
            for piece in pieces:
                if self.server.closing.is_set():
                    return
                if piece:
                    self.wfile.write(piece)
        finally:
            _close(pieces)


def _close(body: Any) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
