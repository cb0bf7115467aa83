"""Fetch one response over HTTP: limited in time and size, and ended from any thread."""

from __future__ import annotations

import http.client
import socket
import threading
from contextlib import suppress
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from flowrun.errors import SourceReason
from flowrun.media.authorization import basic

MAX_BYTES = 32 << 20  # of a response
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_REASONS: dict[int, SourceReason] = {401: "unauthorised", 403: "unauthorised", 404: "not found"}
_CHUNK = 1 << 16


class HttpError(Exception):
    """The response is not usable, for this `reason`."""

    def __init__(self, text: str, reason: SourceReason = "failed") -> None:
        super().__init__(text)
        self.reason = reason


class HttpRequest:
    """GET requests, one at a time. User info in the URL is sent as basic authentication (RFC 7617),
    to its own server only; redirects are followed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the socket against `interrupt`
        self._socket: socket.socket | None = None
        self._interrupted = False

    def get(self, url: str, timeout: float) -> bytes:
        """The body of the response. `timeout` in seconds is that of each wait for the server.
        Raises `HttpError`, `OSError`, `ValueError` or `http.client.HTTPException`."""
        authorization: dict[str, str] = {}
        server: tuple[str | None, str] | None = None
        for _ in range(_MAX_REDIRECTS + 1):
            parts = urlsplit(url)
            host = parts.netloc.rpartition("@")[2]
            if "@" in parts.netloc:
                authorization = basic(parts)
            elif (parts.scheme, host) != server:
                authorization = {}
            server = (parts.scheme, host)
            target = self._request(parts, timeout, authorization)
            if isinstance(target, bytes):
                return target
            url = urljoin(url, target)
        raise HttpError(f"more than {_MAX_REDIRECTS} redirects")

    def interrupt(self) -> None:
        """End a request that is blocked, and any later one. From any thread; does not wait."""
        with self._lock:
            self._interrupted = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _request(
        self, parts: SplitResult, timeout: float, authorization: dict[str, str]
    ) -> bytes | str:
        """The body of the response, or the target of its redirect."""
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HttpError("a redirect to another protocol")
        secure = parts.scheme == "https"
        make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = make(parts.hostname, parts.port, timeout=timeout)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        query = f"?{quote(parts.query, safe='/?%:@!$&()*+,;=~')}" if parts.query else ""
        headers = {"Accept": "image/jpeg, */*", "Connection": "close", **authorization}
        try:
            connection.connect()
            with self._lock:
                if self._interrupted:
                    raise HttpError("the request was interrupted")
                self._socket = connection.sock
            connection.request("GET", path + query, headers=headers)
            with connection.getresponse() as response:
                if response.status in _REDIRECTS and (target := response.getheader("Location")):
                    return target
                if response.status != http.HTTPStatus.OK:
                    raise _refused(response)
                return _body(response)
        finally:
            with self._lock:
                self._socket = None
            connection.close()


def _refused(response: http.client.HTTPResponse) -> HttpError:
    text = f"HTTP status {response.status} {response.reason}".rstrip()
    if (response.getheader("WWW-Authenticate") or "").lower().startswith("digest"):
        text += "; the server asks for digest authentication, only basic is supported"
    return HttpError(text, _REASONS.get(response.status, "failed"))


def _body(response: http.client.HTTPResponse) -> bytes:
    length, body = response.length, bytearray()
    while chunk := response.read1(_CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise HttpError(f"the response is larger than {MAX_BYTES >> 20} MiB")
    if length is not None and len(body) < length:
        raise HttpError(f"the response ends after {len(body)} of {length} bytes")
    return bytes(body)
