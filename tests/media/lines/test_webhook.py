"""Lines that a web server gets by POST."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from flowrun.errors import SinkError
from flowrun.frame import VideoInfo
from flowrun.media.lines.webhook import WebhookSink
from flowrun.media.protocols import SinkContext
from flowrun.spec.flow import Reconnect, SinkSpec, Tls
from tests.media.lines.test_queued import Fate

SOON = Reconnect(initial=0.001, maximum=0.01)


class Server(ThreadingHTTPServer):
    """Answers with `statuses`, one after the other, then with 204."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.bodies: list[Any] = []
        self.requests: list[Handler] = []
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?room=1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.requests.append(self)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def opened() -> Iterator[Callable[..., WebhookSink]]:
    made: list[WebhookSink] = []

    def opened(url: str, **keys: Any) -> WebhookSink:
        context = SinkContext(VideoInfo(4, 2), name="yard cam", run="4ae0")
        made.append(WebhookSink(SinkSpec(url, reconnect=SOON, **keys), context))
        return made[-1]

    yield opened
    for each in made:
        each.abort()
        each._thread.join()


def test_each_line_is_a_post_that_is_a_cloud_event(server: Server, opened: Any) -> None:
    sink = opened(server.url, headers={"X-Key": "k"})
    for index in range(3):
        sink.note(Fate(index))
    sink.close()
    assert [body["index"] for body in server.bodies] == [0, 1, 2]
    request = server.requests[2]
    assert request.path == "/hook?room=1"
    sent = {name: request.headers[name] for name in request.headers}
    assert sent["Content-Type"] == "application/json"
    assert sent["X-Key"] == "k"
    assert {name: value for name, value in sent.items() if name.startswith("ce-")} == {
        "ce-specversion": "1.0",
        "ce-type": "flowrun.frame",
        "ce-source": "/flowrun/yard%20cam",
        "ce-id": "4ae0/2",
        "ce-time": server.bodies[2]["at"],
    }
    assert server.connections == 1


def test_user_info_is_sent_as_basic_authentication(server: Server, opened: Any) -> None:
    sink = opened(server.url.replace("//", "//ann:p%40ss@"))
    sink.note(Fate())
    sink.close()
    assert server.requests[0].headers["Authorization"] == "Basic YW5uOnBAc3M="
    assert "p%40ss" not in sink.address


def test_a_batch_is_a_json_array_without_the_attributes_of_an_event(
    server: Server, opened: Any
) -> None:
    sink = opened(server.url, batch=10)
    for index in range(25):
        sink.note(Fate(index))
    sink.close()
    assert [line["index"] for body in server.bodies for line in body] == list(range(25))
    assert max(map(len, server.bodies)) <= 10
    assert "ce-id" not in server.requests[0].headers


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_a_server_that_is_overloaded_gets_the_line_again(
    server: Server, opened: Any, status: int
) -> None:
    server.statuses = [status, status]
    sink = opened(server.url)
    sink.note(Fate(0))
    sink.note(Fate(1))
    sink.close()
    assert [body["index"] for body in server.bodies] == [0, 0, 0, 1]
    assert (sink.delivered, sink.failed, sink.reconnects) == (2, 0, 1)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
def test_a_line_that_the_server_refuses_is_lost(
    server: Server, opened: Any, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    server.statuses = [status]
    sink = opened(server.url)
    sink.note(Fate(0))
    sink.note(Fate(1))
    sink.close()
    assert [body["index"] for body in server.bodies] == [0, 1]
    assert (sink.delivered, sink.failed) == (1, 1)
    assert f"HTTP status {status}" in caplog.text


def test_retry_after_is_respected_up_to_the_maximum_of_reconnect(
    server: Server, opened: Any
) -> None:
    server.statuses, server.headers = [503], {"Retry-After": "3600"}
    sink = opened(server.url)
    sink.note(Fate(0))
    sink.close()
    assert sink.delivered == 1


def test_a_connection_that_the_server_has_closed_is_opened_again(
    server: Server, opened: Any
) -> None:
    sink = opened(server.url)
    server.headers = {"Connection": "close"}
    for index in range(3):
        sink.note(Fate(index))
    sink.close()
    assert [body["index"] for body in server.bodies] == [0, 1, 2]
    assert server.connections == 3
    assert sink.reconnects == 0


def test_a_file_for_tls_that_does_not_exist_is_an_error_at_its_key(opened: Any) -> None:
    with pytest.raises(SinkError, match=r"^sink\.tls: /nowhere/ca\.pem cannot be used"):
        opened("https://127.0.0.1/", tls=Tls(ca="/nowhere/ca.pem"))
