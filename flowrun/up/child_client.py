"""Ask the process of a flow for its status, its metrics and its pictures, over loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from flowrun.system.http.messages import Response

TIMEOUT = 2.0  # seconds for a response
_PART = 64 * 1024  # bytes


class ChildClient:
    """Sends requests with the `token` that the processes want. Any thread."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}

    def response(self, port: int | None, path: str) -> Response:
        """The response of the process that listens at `port`; 503 without one."""
        try:
            connection, found = self._ask(port, path)
        except (OSError, http.client.HTTPException):
            return Response(b"the flow does not run\n", status=503)
        kind = found.headers.get("Content-Type", "")
        if kind.startswith("multipart/"):
            return Response(_parts(connection, found), kind)
        try:
            return Response(found.read(), kind, found.status)
        except (OSError, http.client.HTTPException):
            return Response(b"the flow has ended\n", status=503)
        finally:
            connection.close()

    def text(self, port: int | None, path: str) -> str | None:
        """The text of a response; `None` if there is none."""
        found = self.response(port, path)
        if found.status != HTTPStatus.OK or not isinstance(found.body, bytes):
            return None
        return found.body.decode("utf-8", "replace")

    def status(self, port: int | None) -> dict[str, Any] | None:
        """The result of `Run.status`."""
        with contextlib.suppress(ValueError):
            found = json.loads(self.text(port, "/status") or "null")
            return found if isinstance(found, dict) else None
        return None

    def _ask(
        self, port: int | None, path: str
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        if port is None:
            raise ConnectionRefusedError
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        try:
            connection.request("GET", path, headers=self._headers)
            return connection, connection.getresponse()
        except BaseException:
            connection.close()
            raise


def _parts(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse
) -> Iterator[bytes]:
    """What arrives, at least an empty part every two seconds at the latest, until it ends."""
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        while part := response.read1(_PART):
            yield part
