"""Serve one connection: read its request, ask its route, send the response."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from flowrun.system.http.access import HEADERS
from flowrun.system.http.messages import Request, Response, Route

log = logging.getLogger("flowrun")

TIMEOUT = 10.0  # seconds to receive a whole request, and for each write to the client
# A name, an IPv4 or an IPv6 address, and a port (RFC 9110, 7.2).
_HOST = re.compile(r"([^\s\[\]/?#@,:\"\\]*|\[[0-9A-Fa-f:.]+\])(:\d{0,5})?")


class Server(Protocol):
    """What a handler needs of its server."""

    def route(self, path: str) -> Route | None: ...
    def refusal(self, request: Request) -> Response | None: ...
    def paths(self) -> list[str]: ...
    def is_closing(self) -> bool: ...
    def received(self, connection: socket.socket) -> None: ...
    def may_stream(self, connection: socket.socket) -> bool: ...


class Handler(BaseHTTPRequestHandler):
    server: Any  # a `Server`
    server_version, sys_version = "flowrun", ""
    default_request_version = "HTTP/1.0"  # also a malformed request gets a status line
    timeout = TIMEOUT

    def do_GET(self) -> None:
        server: Server = self.server
        server.received(self.connection)
        response = self._respond(server)
        if not isinstance(response.body, bytes) and not server.may_stream(self.connection):
            _close(response.body)
            response = _text(503, "too many streams are open", {"Retry-After": "1"})
        self._send(response)

    do_HEAD = do_GET  # noqa: N815 - the name that the library calls

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Respond to a request that the library could not parse."""
        self._send(_text(code, message or HTTPStatus(code).phrase))

    def log_message(self, text: str, *values: object) -> None:
        log.debug("http: %s: " + text, self.address_string(), *values)

    def _respond(self, server: Server) -> Response:
        try:
            url = urlsplit(self.path)
            query = dict(parse_qsl(url.query))
            port = url.port  # raises for one that is none
        except ValueError:
            return _text(400, "the address is malformed")
        if problem := _problem(self.headers):
            return _text(400, problem)
        if url.netloc:  # as a proxy is asked; it counts instead of the header (RFC 9112, 3.2.2)
            del self.headers["Host"]
            self.headers["Host"] = f"{url.hostname}:{port}" if port else str(url.hostname)
        request = Request(url.path, query, self.headers)
        if (refusal := server.refusal(request)) is not None:
            return refusal
        route = server.route(url.path)
        if route is None:
            known = "\n".join(server.paths())
            return _text(404, f"not found; the paths are\n{known}")
        try:
            return route(request)
        except Exception:
            log.exception("http: %s failed: this is a bug in flowrun", url.path)
            return _text(500, "this is a bug in flowrun; its log has the traceback")

    def _send(self, response: Response) -> None:
        whole = response.body if isinstance(response.body, bytes) else None
        self.send_response(response.status)
        headers = {"Content-Type": response.type, "Cache-Control": "no-store", **HEADERS}
        if whole is not None:
            headers["Content-Length"] = str(len(whole))
        for name, value in (headers | dict(response.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            _close(response.body)
        elif whole is not None:
            self.wfile.write(whole)
        else:
            self._stream(response.body)

    def _stream(self, pieces: Any) -> None:
        try:
            for piece in pieces:
                if self.server.is_closing():
                    return
                if piece:
                    self.wfile.write(piece)
        finally:
            _close(pieces)


def _problem(headers: Message[str, str]) -> str:
    """What is malformed in the headers of a request; empty if nothing is."""
    hosts = headers.get_all("Host", [])
    if headers.defects:  # the library has skipped the headers from there on
        return "a header is malformed"
    if len(hosts) > 1:
        return "there are several Host headers"
    if not all(_HOST.fullmatch(host.strip()) for host in hosts):
        return "the Host header is malformed"
    return ""


def _text(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(f"{text}\n".encode(), status=status, headers=headers or {})


def _close(body: Any) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()
