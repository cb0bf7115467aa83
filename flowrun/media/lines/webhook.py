"""Send a line of JSON for every frame to a web server, with POST."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Sequence
from contextlib import suppress
from socket import SHUT_RDWR, socket
from urllib.parse import SplitResult, quote, urlsplit

from flowrun.foreign import exception_text
from flowrun.media.authorization import basic
from flowrun.media.lines.line_queue import Line
from flowrun.media.lines.queued import QueuedLines, RefusedError, UnavailableError
from flowrun.media.lines.tls import client_context
from flowrun.media.protocols import SinkContext
from flowrun.spec.flow import SinkSpec

_TIMEOUT = 10.0  # seconds for each wait for the server
_OK, _CLIENT_ERRORS, _SERVER_ERRORS = range(200, 300), range(400, 500), range(500, 600)
_AGAIN = (408, 425, 429)  # of the client errors, those that mean "later"
_MAX_BODY = 1 << 20  # bytes of a response that are read, so that the connection can be used again


class WebhookSink(QueuedLines):
    """A POST for each line, or with `batch` for several that wait, as a JSON array.

    A POST of one line is a CloudEvent in binary mode (CloudEvents 1.0, HTTP binding): its
    attributes are the headers `ce-…`. A server that is unavailable or overloaded (408, 425, 429,
    5xx) gets the lines later, after `Retry-After` if it says so; lines that it refuses are lost.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        super().__init__(spec, context, batch=spec.batch)
        self._array = spec.batch > 1
        self._url = urlsplit(spec.uri)
        self._target = _target(self._url)
        self._headers = {"Content-Type": "application/json", **basic(self._url), **spec.headers}
        secure = self._url.scheme.lower() == "https"
        self._tls = client_context(spec.tls, self.key) if secure else None
        self._connection: http.client.HTTPConnection | None = None
        self._guard = threading.Lock()  # of the socket, against `interrupt`
        self._socket: socket | None = None
        self._stopped = False
        self.start()

    def send(self, lines: Sequence[Line]) -> None:
        reused = self._connection is not None
        try:
            try:
                response = self._post(lines)
            except (ConnectionError, http.client.RemoteDisconnected):
                if not reused:
                    raise
                self._drop_connection()  # the server has closed it while nothing was sent
                response = self._post(lines)
        except (OSError, http.client.HTTPException) as error:
            self._drop_connection()
            raise UnavailableError(exception_text(error)) from error
        status, after = response.status, _seconds(response.getheader("Retry-After"))
        if status in _OK:
            return
        text = f"HTTP status {status} {response.reason}".rstrip()
        if status in _AGAIN or status in _SERVER_ERRORS:
            raise UnavailableError(text, after)
        if status in _CLIENT_ERRORS:
            raise RefusedError(text)
        raise RefusedError(f"{text}: redirects are not followed")

    def disconnect(self) -> None:
        self._drop_connection()

    def interrupt(self) -> None:
        with self._guard:
            self._stopped = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(SHUT_RDWR)

    def _post(self, lines: Sequence[Line]) -> http.client.HTTPResponse:
        connection = self._connection = self._connection or self._opened()
        if self._array:
            body, headers = b"[" + b",\n".join(line.text for line in lines) + b"]", self._headers
        else:
            body, headers = lines[0].text, {**self._headers, **self._event(lines[0])}
        connection.request("POST", self._target, body, headers)
        response = connection.getresponse()
        response.read(_MAX_BODY)
        if response.will_close or not response.isclosed():
            self._drop_connection()
        return response

    def _opened(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        connection = (
            http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
            if self._tls is None
            else http.client.HTTPSConnection(host, port, timeout=_TIMEOUT, context=self._tls)
        )
        connection.connect()
        with self._guard:
            self._socket = connection.sock
        if self._stopped:
            raise OSError("the run was aborted")
        return connection

    def _drop_connection(self) -> None:
        with self._guard:
            self._socket = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _event(self, line: Line) -> dict[str, str]:
        return {
            "ce-specversion": "1.0",
            "ce-type": "flowrun.frame",
            "ce-source": f"/flowrun/{quote(self._context.name)}",
            "ce-id": f"{self._context.run}/{line.index}",
            "ce-time": line.at,
        }


def _target(url: SplitResult) -> str:
    query = f"?{url.query}" if url.query else ""
    return quote(f"{url.path or '/'}{query}", safe="/?%:@!$&()*+,;=~[]'")


def _seconds(retry_after: str | None) -> float:
    """The value of the header, if it is a number of seconds."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
