"""A page on a real port, and clients made of the standard library."""

from __future__ import annotations

import http.client
import io
import itertools
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image as Pillow

from flowrun.errors import RunError
from flowrun.frame import Frame, Image, VideoInfo
from flowrun.media.protocols import LiveSink, SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sinks.placeholder import placeholder
from flowrun.media.sinks.web import WebSink
from flowrun.spec.flow import SinkSpec

LIMIT = 30.0  # seconds, a guard against hanging
ANY = SinkSpec("web:127.0.0.1:0")

Open = Callable[..., WebSink]


@pytest.fixture
def web() -> Iterator[Open]:
    """`web(unavailable_since=…)`: a sink on a free port, for which a second passes each
    time it reads the clock."""
    sinks: list[WebSink] = []

    def web(**context: Any) -> WebSink:
        made = SinkContext(VideoInfo(400, 300), key="sink[1]", **context)
        sinks.append(WebSink(ANY, made, itertools.count().__next__))
        return sinks[-1]

    yield web
    for sink in sinks:
        sink.close()
    assert [t.name for t in threading.enumerate() if t.name.startswith("flowrun-http")] == []


def frame(shade: int, size: tuple[int, int] = (64, 48)) -> Frame:
    return Frame(np.full((size[1], size[0], 3), shade, np.uint8), 0, 0.0, 0.0, 0.0)


def get(sink: WebSink, path: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(urlsplit(sink.url).netloc, timeout=LIMIT)
    connection.request("GET", path)
    return connection.getresponse()


class Viewer:
    """A client of the stream."""

    def __init__(self, sink: WebSink) -> None:
        self.answer = get(sink, "/stream")

    def next(self) -> Image | None:
        """The next picture; `None` when there is no other."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.answer.readline()
            if not line:
                return None
            head += line
        assert head.startswith(b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: ")
        jpeg = self.answer.read(int(head.split()[-1]))
        assert self.answer.readline() == b"\r\n"
        return np.asarray(Pillow.open(io.BytesIO(jpeg)))

    def until(self, shade: int) -> None:
        """Read until there is a picture of that grey."""
        while (picture := self.next()) is not None:
            if abs(int(picture[0, 0, 0]) - shade) <= 2:
                return
        raise AssertionError("the stream has ended")


def test_the_stream_shows_the_newest_frame_and_then_each_as_it_arrives(web: Open) -> None:
    sink = web()
    for shade in (10, 60, 110):
        sink.write(frame(shade))
    viewer = Viewer(sink)
    assert viewer.answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=picture"
    first = viewer.next()
    assert first is not None
    assert first.shape == (48, 64, 3)
    assert abs(int(first[0, 0, 0]) - 110) <= 2
    sink.write(frame(160))
    viewer.until(160)


def test_several_viewers_see_the_same_also_after_one_has_disconnected(web: Open) -> None:
    sink = web()
    sink.write(frame(10))
    viewers = [Viewer(sink) for _ in range(3)]
    for viewer in viewers:
        viewer.until(10)
    viewers[0].answer.close()
    for shade in range(20, 250, 10):
        sink.write(frame(shade))
        for viewer in viewers[1:]:
            viewer.until(shade)


def test_a_viewer_that_reads_nothing_blocks_neither_the_run_nor_another_viewer(
    web: Open,
) -> None:
    sink = web()
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    address = urlsplit(sink.url)
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.settimeout(LIMIT)
        lazy.connect((address.hostname, address.port))
        lazy.sendall(b"GET /stream HTTP/1.0\r\n\r\n")
        viewer = Viewer(sink)
        for shade in range(10, 250, 20):
            noise[:16] = shade
            sink.write(Frame(noise.copy(), 0, 0.0, 0.0, 0.0))
            viewer.until(shade)
        sink.close()  # which closes its connection
        received = sum(iter(lambda: len(lazy.recv(1 << 20)), 0))
    assert received < 1_000_000  # of 8 MB: stale pictures are skipped


def test_the_end_of_the_run_ends_the_stream(web: Open) -> None:
    sink = web()
    sink.write(frame(10))
    viewer = Viewer(sink)
    viewer.until(10)
    sink.close()
    assert viewer.next() is None
    with pytest.raises(ConnectionRefusedError):
        get(sink, "/status")


def test_a_viewer_may_connect_before_the_first_frame(web: Open) -> None:
    sink = web()
    viewer = Viewer(sink)
    sink.write(frame(70))
    viewer.until(70)


def test_the_status_is_that_of_the_run(web: Open) -> None:
    status = {"flow": "ü", "captured": 3, "latency_ms": {"sink": {"p50": None}}}
    answer = get(web(status=lambda: status), "/status")
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.read()) == status


def test_the_page_needs_nothing_from_other_servers(web: Open) -> None:
    answer = get(web(), "/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = answer.read().decode()
    assert page.startswith("<!doctype html>")
    asked = re.findall(r"""(?:src|href)=["']?([^"' >]+)|fetch\(["']([^"']+)""", page)
    assert {one or other for one, other in asked} == {"stream", "status", "data:,", "../"}
    assert not re.search(r"https?://|@import|url\(", page)


def test_while_the_source_is_unavailable_a_placeholder_is_shown_until_the_next_frame(
    web: Open,
) -> None:
    since: datetime | None = datetime(2024, 2, 3, 7, 8, 9)
    sink = web(unavailable_since=lambda: since)
    assert isinstance(sink, LiveSink)
    viewer = Viewer(sink)
    sink.tick()
    seen = viewer.next()
    assert seen is not None
    assert (
        abs(seen.astype(int) - placeholder((400, 300), datetime(2024, 2, 3, 7, 8, 9))) < 60
    ).all()
    sink.write(frame(200))
    viewer.until(200)
    since = None
    sink.tick()
    sink.write(frame(100))
    viewer.until(100)


def test_a_page_that_polls_gets_the_last_figures_before_the_server_closes() -> None:
    status = {"state": "running"}
    sink = WebSink(ANY, SinkContext(VideoInfo(64, 48), status=lambda: status), clock=lambda: 0.0)
    get(sink, "/status").read()
    status["state"] = "ended"
    closing = threading.Thread(target=sink.close)
    closing.start()
    assert json.loads(get(sink, "/status").read()) == {"state": "ended"}
    sink.abort()
    closing.join(LIMIT)
    assert not closing.is_alive()


def test_an_address_in_use_is_an_error_at_the_key_of_the_sink(web: Open) -> None:
    taken = urlsplit(web().url).netloc
    with pytest.raises(RunError) as caught:
        open_sink(SinkSpec(f"web:{taken}"), SinkContext(VideoInfo(64, 48), key="sink"))
    assert str(caught.value) == (
        f"sink: cannot listen on {taken} (Address already in use)\n"
        "  another run, or another program, may listen there: choose a free port of this machine,"
        " such as 127.0.0.1:9101"
    )


def test_an_address_other_than_loopback_is_logged_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "flowrun")
    for host in ("127.0.0.1", "[::1]", "0.0.0.0"):
        sink = open_sink(SinkSpec(f"web:{host}:0"), SinkContext(VideoInfo(64, 48)))
        sink.close()
    messages = [re.sub(r":\d+(?= |$)", ":N", each) for each in caplog.messages]
    assert messages == [
        "sink: watch the run at http://127.0.0.1:N",
        "sink: watch the run at http://[::1]:N",
        "sink: watch the run at http://0.0.0.0:N",
        "sink: anyone who can reach http://0.0.0.0:N can watch the run; `token` in the flow"
        " prevents that",
    ]


def test_a_token_protects_the_page_its_stream_and_its_figures(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "flowrun")
    spec = SinkSpec("web:0.0.0.0:0", token="a-long-token")
    sink = WebSink(spec, SinkContext(VideoInfo(64, 48)))
    port = urlsplit(sink.url).port
    for path in ("/", "/stream", "/status"):
        connection = http.client.HTTPConnection("127.0.0.1", port or 0, timeout=LIMIT)
        connection.request("GET", path)
        assert connection.getresponse().status == 401
        connection.request("GET", path, headers={"Authorization": "Bearer a-long-token"})
        assert connection.getresponse().status == 200
        connection.close()
    sink.close()
    assert "a-long-token" not in caplog.text
    assert [message for message in caplog.messages if "anyone" in message] == []
