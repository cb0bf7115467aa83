"""A small HTTP server with a table of routes, on threads of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Mapping
from socketserver import TCPServer
from typing import Any

from flowrun.errors import RunError
from flowrun.system.http.access import Access, is_loopback
from flowrun.system.http.connections import Connections
from flowrun.system.http.handler import TIMEOUT, Handler
from flowrun.system.http.messages import Request, Response, Route

log = logging.getLogger("flowrun")

_CLOSE_TIMEOUT = 0.9  # seconds for the open connections to end
_SEND_BUFFER = 256 * 1024  # bytes; small, so that a slow client gets recent data


class HttpServer:
    """Serves GET and HEAD at `address` (`host:port`) from a table of routes by path, until `close`.

    `access` decides which requests are answered. Every connection is one request and has a thread,
    `flowrun-http`; beyond `connections` of them the response is 503 (see `Connections`). An
    exception of a route is logged, and the response is 500. `key` is the key of the address in the
    flow. Raises `RunError` if it cannot listen there.
    """

    def __init__(
        self,
        address: str,
        routes: Mapping[str, Route],
        *,
        key: str,
        access: Access | None = None,
        connections: int = 32,
    ) -> None:
        try:
            self._server = _Server(address, routes, access or Access(), connections)
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
        self.is_loopback = self._server.is_loopback
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

    def __init__(
        self, address: str, routes: Mapping[str, Route], access: Access, connections: int
    ) -> None:
        host, _, port = address.rpartition(":")
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        self.address_family, *_, endpoint = found[0]
        self._routes = routes
        self._access = access
        self._closing = threading.Event()
        self._connections = Connections(connections, TIMEOUT)
        super().__init__((str(endpoint[0]), int(endpoint[1])), Handler)
        self.is_loopback = is_loopback(str(self.server_address[0]))
        self.received = self._connections.received
        self.may_stream = self._connections.may_stream
        self.is_closing = self._closing.is_set

    def route(self, path: str) -> Route | None:
        return self._routes.get(path)

    def paths(self) -> list[str]:
        return sorted(self._routes)

    def refusal(self, request: Request) -> Response | None:
        port = int(self.server_address[1])
        return self._access.refusal(request, loopback=self.is_loopback, port=port)

    def process_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        thread = threading.Thread(
            target=self._serve, args=(request, client_address), name="flowrun-http", daemon=True
        )
        if not self._connections.add(request, thread):
            request.settimeout(_CLOSE_TIMEOUT)
            with contextlib.suppress(OSError):  # the client may have disconnected
                request.sendall(b"HTTP/1.0 503 Too many connections\r\nRetry-After: 1\r\n\r\n")
            self.shutdown_request(request)
            return
        thread.start()

    def service_actions(self) -> None:
        self._connections.end_slow()

    def server_close(self) -> None:
        super().server_close()
        self._closing.set()
        self._connections.end_all(_CLOSE_TIMEOUT)

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
            self._connections.remove(request)
