"""A server on a real port, and clients, some of them misbehaving."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from flowrun.errors import RunError
from flowrun.system.http import handler
from flowrun.system.http import server as http_server
from flowrun.system.http.messages import JSON, Request, Response, Route
from flowrun.system.http.server import HttpServer

LIMIT = 10.0  # seconds, a guard against hanging
Serve = Callable[..., HttpServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """`serve({path: route})`: a server on a free port of the loopback. `close` waits for its
    threads even on a busy machine, so none may be left."""
    monkeypatch.setattr(http_server, "_CLOSE_TIMEOUT", LIMIT)
    servers: list[HttpServer] = []

    def serve(routes: dict[str, Route], **options: Any) -> HttpServer:
        servers.append(HttpServer("127.0.0.1:0", routes, key="metrics.address", **options))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()
    left = [t.name for t in threading.enumerate() if t.name.startswith("flowrun-http")]
    assert left == []


def connect(server: HttpServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=LIMIT)


def get(server: HttpServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = connect(server)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def say(request: Request) -> Response:
    said = f"{request.path} {dict(request.query)} {request.headers['accept']}"
    return Response(said.encode(), status=203, headers={"X-More": "yes"})


def test_a_route_gets_path_query_and_headers_and_gives_status_headers_and_body(
    serve: Serve,
) -> None:
    server = serve({"/say": say, "/json": lambda _: Response(b"{}", JSON)})
    connection = connect(server)
    connection.request("GET", "/say?a=1&b=x%20y", headers={"ACCEPT": "all"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (203, b"/say {'a': '1', 'b': 'x y'} all")
    assert (answer.headers["x-more"], answer.headers["content-length"]) == ("yes", "31")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    connection.close()
    assert get(server, "/json") == (200, b"{}")


def test_an_unknown_path_lists_the_known_ones(serve: Serve) -> None:
    server = serve({"/b": say, "/a": say})
    assert get(server, "/other") == (404, b"not found; the paths are\n/a\n/b\n")


def test_head_answers_without_a_body_and_other_methods_are_refused(serve: Serve) -> None:
    server = serve({"/say": say})
    assert get(server, "/say", "HEAD") == (203, b"")
    assert get(server, "/say", "POST")[0] == 501


def test_an_exception_of_a_route_fails_its_request_only_and_is_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Request) -> Response:
        raise ZeroDivisionError("bug")

    server = serve({"/broken": broken, "/say": say})
    assert get(server, "/broken") == (
        500,
        b"this is a bug in flowrun; its log has the traceback\n",
    )
    assert "http: /broken failed: this is a bug in flowrun" in caplog.text
    assert "ZeroDivisionError: bug" in caplog.text
    assert get(server, "/say")[0] == 203


class Pieces:
    """A body that goes on until somebody ends it."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield b"first\n"
        while not self.closed.wait(0.01):
            yield b""

    def close(self) -> None:
        self.closed.set()


def test_a_stream_continues_until_the_server_closes_which_does_not_wait_for_the_client(
    serve: Serve,
) -> None:
    pieces = Pieces()
    server = serve({"/stream": lambda _: Response(pieces)})
    connection = connect(server)
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    assert answer.fp.readline() == b"first\n"
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < handler.TIMEOUT / 2
    assert pieces.closed.is_set()
    assert answer.read() == b""
    connection.close()


def test_a_stream_ends_when_its_client_disconnects(serve: Serve) -> None:
    closed = threading.Event()

    def endless(_: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x" * 100_000
            finally:
                closed.set()

        return Response(pieces())

    connection = connect(serve({"/stream": endless}))
    connection.request("GET", "/stream")
    connection.getresponse().close()
    connection.close()
    assert closed.wait(LIMIT)


def test_a_client_that_does_not_read_does_not_delay_closing(serve: Serve) -> None:
    full = threading.Event()

    def endless(_: Request) -> Response:
        def pieces() -> Iterator[bytes]:
            while True:
                full.set()
                yield b"x" * 10_000_000

        return Response(pieces())

    server = serve({"/stream": endless})
    connection = connect(server)
    connection.request("GET", "/stream")
    assert full.wait(LIMIT)
    began = time.monotonic()
    server.close()
    assert time.monotonic() - began < handler.TIMEOUT / 2
    connection.close()


def test_connections_beyond_the_limit_get_a_503_until_others_end(
    serve: Serve,
) -> None:
    let_go, inside = threading.Event(), threading.Semaphore(0)

    def slow(_: Request) -> Response:
        inside.release()
        assert let_go.wait(LIMIT)
        return Response(b"done")

    server = serve({"/slow": slow}, connections=2)
    first = [connect(server) for _ in range(2)]
    for each in first:
        each.request("GET", "/slow")
        assert inside.acquire(timeout=LIMIT)
    url = urlsplit(server.url)
    assert url.port
    with socket.create_connection((url.hostname, url.port), timeout=LIMIT) as third:
        assert third.recv(1000).startswith(b"HTTP/1.0 503 Too many connections\r\n")
    let_go.set()
    for each in first:
        assert each.getresponse().read() == b"done"
        each.close()
    end = time.monotonic() + LIMIT
    while (status := get(server, "/slow")[0]) == 503 and time.monotonic() < end:
        pass  # the thread ends a moment after the client has its response
    assert status == 200


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"GET http://[::1/say HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"400 Bad Request"),
        (b"GET http://127.0.0.1:x/say HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"GET /say HTTP/9.x\r\n\r\n", b"400 "),
        (b"GET /say now please\r\n\r\n", b"400 "),
        (b"GET /say HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400 Bad"),
        (b"GET /say HTTP/1.1\r\nno colon\r\nHost: evil.example\r\n\r\n", b"400 Bad"),
        (b"GET /say HTTP/1.1\r\nHost : evil.example\r\n\r\n", b"400 Bad"),
        (b"GET /say HTTP/1.1\r\nHost: evil.example:80@127.0.0.1\r\n\r\n", b"400 Bad"),
        (b"GET /say HTTP/1.1\r\nHost: 127.0.0.1, evil.example\r\n\r\n", b"400 Bad"),
        (b"GET /say HTTP/1.1\r\nHost: 127.0.0.1:x\r\n\r\n", b"400 Bad"),
        (b"GET /say HTTP/1.1\r\nHost: [::1\r\n\r\n", b"400 Bad"),
        (b"GET /say HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431 "),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414 "),
        (b"GET http://evil.example/say HTTP/1.1\r\nHost: localhost\r\n\r\n", b"421 Misdirected"),
        (b"GET http://localhost/say HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"203 "),
        (b"GET /say HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421 Misdirected"),
        (b"GET /say HTTP/1.1\r\nhost: \xff\xfe\r\n\r\n", b"421 Misdirected"),
        (b"GET /say?%ff=%00&a=%zz HTTP/1.1\r\n\r\n", b"203 "),
    ],
)
def test_a_malformed_request_is_refused_without_a_word_in_the_log(
    serve: Serve, caplog: pytest.LogCaptureFixture, head: bytes, wanted: bytes
) -> None:
    caplog.set_level("INFO", "flowrun")
    url = urlsplit(serve({"/say": say}).url)
    assert url.port
    with socket.create_connection((url.hostname, url.port), timeout=LIMIT) as client:
        client.sendall(head)
        received = b""
        with contextlib.suppress(ConnectionResetError):  # of a request that is not read whole
            while piece := client.recv(65536):
                received += piece
    assert received.startswith(b"HTTP/1.0 " + wanted), received[:200]
    assert b"nosniff" in received
    assert caplog.messages == []


def test_every_response_may_be_read_by_its_own_site_only(serve: Serve) -> None:
    connection = connect(serve({"/say": say}))
    for path in ("/say", "/other"):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
    connection.close()


def test_probes_are_answered_while_other_clients_never_complete_their_requests(
    serve: Serve,
) -> None:
    server = serve({"/say": say}, connections=4)
    url = urlsplit(server.url)
    assert url.port
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            client = stack.enter_context(
                socket.create_connection((url.hostname, url.port), timeout=LIMIT)
            )
            client.sendall(b"GET /say HTTP/1.1\r\nX-Slow: ")
        assert get(server, "/say")[0] == 203


def test_a_port_that_is_taken_is_an_error_with_the_key_the_address_and_what_to_do(
    serve: Serve,
) -> None:
    taken = urlsplit(serve({}).url).netloc
    with pytest.raises(RunError) as caught:
        HttpServer(taken, {}, key="metrics.address")
    assert str(caught.value) == (
        f"metrics.address: cannot listen on {taken} (Address already in use)\n"
        "  another run, or another program, may listen there: choose a free port of this machine,"
        " such as 127.0.0.1:9101"
    )


def test_an_address_of_another_machine_is_the_same_kind_of_error() -> None:
    with pytest.raises(RunError, match=r"^metrics\.address: cannot listen on 192\.0\.2\.1:9100 \("):
        HttpServer("192.0.2.1:9100", {}, key="metrics.address")


def test_closing_twice_is_closing_once_and_the_port_is_free_then(serve: Serve) -> None:
    server = serve({"/say": say})
    assert get(server, "/say")[0] == 203
    server.close()
    server.close()
    address = urlsplit(server.url).netloc
    again = HttpServer(address, {"/say": say}, key="metrics.address")
    assert get(again, "/say")[0] == 203
    again.close()


def test_an_ipv6_address_works_like_any_other() -> None:
    try:
        server = HttpServer("[::1]:0", {"/say": say}, key="metrics.address")
    except RunError as error:
        pytest.skip(f"no IPv6 here: {error.message}")
    assert server.url.startswith("http://[::1]:")
    assert get(server, "/say")[0] == 203
    server.close()
