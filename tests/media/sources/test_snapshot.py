"""A JPEG picture that is requested again and again is a live source."""

from __future__ import annotations

import base64
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from flowrun.errors import SourceError
from flowrun.media.sources import http_request, make_source
from flowrun.media.sources.paced import PacedSource
from flowrun.spec.flow import Reconnect, SourceSpec

LIMIT = 30.0  # seconds, a guard against hanging
AGAIN = Reconnect(initial=0.001, maximum=0.001)
Reply = Callable[[BaseHTTPRequestHandler], None]


def reply(body: bytes = b"", status: int = 200, **headers: str) -> Reply:
    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


@dataclass
class Camera:
    """A web server: `script` are its next replies, after them it always sends `then`."""

    then: Reply
    script: list[Reply] = field(default_factory=list)
    requests: list[tuple[str, str | None]] = field(default_factory=list)  # path, authorization
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def hang(self, before: bytes = b"") -> Reply:
        """Send `before`, and then nothing until the test is over."""

        def send(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(before)
            handler.wfile.flush()
            self.over.wait(LIMIT)

        return send

    def spec(self, **keys: Any) -> SourceSpec:
        keys = {"poll": 0.001, "reconnect": AGAIN, **keys}
        return SourceSpec(f"{self.url}/a.jpg", **keys)


@pytest.fixture
def jpeg(make: Any) -> bytes:
    picture: bytes = make("a.jpg", "-frames:v", "1", "-update", "1").read_bytes()
    return picture


@pytest.fixture
def camera(jpeg: bytes) -> Iterator[Camera]:
    made = Camera(reply(jpeg))

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

        def do_GET(self) -> None:
            made.requests.append((self.path, self.headers["Authorization"]))
            with suppress(OSError):
                (made.script.pop(0) if made.script else made.then)(self)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    made.over.set()
    server.shutdown()
    server.server_close()
    thread.join(LIMIT)


@pytest.fixture(params=["av", "pillow"])
def decoded_by(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to decode a picture; without PyAV it is Pillow."""
    if request.param == "av":
        request.getfixturevalue("pyav")
    else:
        monkeypatch.setitem(sys.modules, "flowrun.media.pyav.jpeg", None)
    return str(request.param)


def read(spec: SourceSpec, count: int) -> tuple[Any, list[Any], Any]:
    with closing(make_source(spec)) as source:
        info, frames = source.open(), []
        for frame in source:
            frames.append(frame)
            if len(frames) == count:
                break
        return info, frames, source


def failure(spec: SourceSpec) -> SourceError:
    with closing(make_source(spec)) as source, pytest.raises(SourceError) as raised:
        source.open()
    return raised.value


@pytest.mark.usefixtures("decoded_by")
def test_each_request_is_a_frame_at_the_time_of_its_arrival(camera: Camera) -> None:
    before = time.monotonic()
    info, frames, source = read(camera.spec(poll=0.01), 5)
    assert (info.width, info.height, info.fps, info.live) == (64, 48, 100, True)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert frames[0].time == 0
    times, arrivals = [frame.time for frame in frames], [frame.captured for frame in frames]
    assert np.diff(times) == pytest.approx(np.diff(arrivals))
    assert before < arrivals[0]
    assert arrivals[4] - arrivals[0] >= 0.01 * 3  # the first request may have taken an interval
    assert arrivals[-1] <= time.monotonic()
    assert {frame.duration for frame in frames} == {0.01}
    assert [path for path, _ in camera.requests] == ["/a.jpg"] * 5
    assert source.reconnects == 0


def test_its_pixels_are_those_of_the_same_picture_in_a_file(
    camera: Camera, tmp_path: Any, decoded_by: str, jpeg: bytes
) -> None:
    path = tmp_path / "b.jpg"
    path.write_bytes(jpeg)
    for keys in ({}, {"size": (32, 20), "color": "bgr"}):
        _, frames, _ = read(camera.spec(**keys), 1)
        _, expected, _ = read(SourceSpec(str(path), decoder="ffmpeg", **keys), 1)  # type: ignore[arg-type]
        image, wanted = frames[0].image, expected[0].image
        assert image.shape == wanted.shape
        assert not image.flags.writeable
        if decoded_by == "av":
            assert (image == wanted).all()
        else:  # it interpolates in another way
            difference, reversed_order = (
                np.abs(each.astype(int) - wanted).mean() for each in (image, image[:, :, ::-1])
            )
            assert difference < min(8, reversed_order / 4)


@pytest.mark.usefixtures("decoded_by")
def test_pictures_of_another_size_get_that_of_the_first(camera: Camera, make: Any) -> None:
    other = make("b.jpg", "-frames:v", "1", "-update", "1", source="testsrc2=s=96x64:r=25")
    camera.script = [camera.then, reply(other.read_bytes())]
    _, frames, _ = read(camera.spec(), 3)
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 3


@pytest.mark.usefixtures("decoded_by")
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (reply(status=404), "HTTP status 404 Not Found"),
        (reply(status=500), "HTTP status 500 Internal Server Error"),
        (reply(b"<html>"), "the response is not a complete JPEG picture"),
        (reply(b"\xff\xd8 no picture \xff\xd9"), ""),
        (reply(b"\xff\xd8", Content_Length="9"), "the response ends after 2 of 9 bytes"),
        (lambda handler: handler.connection.shutdown(socket.SHUT_RDWR), ""),
    ],
)
def test_a_request_that_fails_is_an_outage(
    camera: Camera, answer: Reply, text: str, caplog: Any
) -> None:
    camera.script = [camera.then, camera.then, answer, answer]
    _, frames, source = read(camera.spec(), 4)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    times = [frame.time for frame in frames]
    assert times == sorted(set(times))
    assert source.reconnects == 1
    uri = camera.spec().uri
    assert caplog.messages[0].startswith(f"source: {uri} cannot be read after 2 frames: {text}")
    assert caplog.messages[-1] == f"source: {uri} is available again"


@pytest.mark.parametrize(
    ("answer", "reason", "text"),
    [
        (reply(status=404), "not found", "HTTP status 404 Not Found"),
        (reply(status=401), "unauthorised", "HTTP status 401 Unauthorized"),
        (
            reply(status=401, WWW_Authenticate="Digest realm=x"),
            "unauthorised",
            "HTTP status 401 Unauthorized; the server asks for digest authentication, only basic"
            " is supported",
        ),
        (reply(status=503), "failed", "HTTP status 503 Service Unavailable"),
        (reply(b"x"), "codec", "the response is not a complete JPEG picture"),
        (reply(status=302, Location="/a.jpg"), "failed", "more than 5 redirects"),
        (reply(status=302, Location="file:///a"), "failed", "a redirect to another protocol"),
    ],
)
def test_the_reason_is_typed(camera: Camera, answer: Reply, reason: str, text: str) -> None:
    camera.then = answer
    error = failure(camera.spec(startup="fail"))
    assert error.reason == reason
    assert error.message == f"{camera.spec().uri} cannot be read: {text}"


def test_a_server_that_is_missing_is_refused_and_waited_for(
    camera: Camera, jpeg: bytes, caplog: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = failure(SourceSpec(f"http://127.0.0.1:{port}/a", poll=1.0, startup="fail"))
    assert error.reason == "refused"
    camera.script = [reply(status=503), reply(status=404), camera.then]
    _, frames, _ = read(camera.spec(), 1)
    assert len(frames) == 1
    assert [message.endswith("; trying again") for message in caplog.messages] == [True, True]


@pytest.mark.parametrize(
    "before", [b"", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.0 200 OK\r\n\r\n\xff\xd8"]
)
def test_a_server_without_an_answer_times_out(camera: Camera, before: bytes) -> None:
    camera.then = camera.hang(before)
    error = failure(camera.spec(startup="fail", open_timeout=0.2))
    assert error.reason == "timed out"
    assert str(error) == (
        f"source: {camera.spec().uri} gave no frame for 0.2 s after 0 frames\n"
        "  `source.open_timeout` sets how long to wait"
    )


def test_a_server_that_sends_byte_by_byte_times_out(camera: Camera) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
        while not camera.over.wait(0.01):
            handler.wfile.write(b"\xff")

    camera.script = [camera.then]
    camera.then = drip
    with closing(make_source(camera.spec(on_loss="stop", read_timeout=0.3))) as source:
        source.open()
        with pytest.raises(SourceError) as raised:
            list(source)
    assert raised.value.reason == "timed out"
    assert "gave no frame for 0.3 s after 1 frames" in str(raised.value)


def test_the_size_of_a_response_is_limited(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_request, "MAX_BYTES", 1 << 20)
    camera.then = reply(bytes((1 << 20) + 1))
    error = failure(camera.spec(startup="fail"))
    assert error.message.endswith("cannot be read: the response is larger than 1 MiB")


def test_the_user_info_is_sent_as_basic_authentication_and_never_shown(
    camera: Camera, caplog: Any
) -> None:
    camera.script = [camera.then, reply(status=500)]
    uri = camera.url.replace("://", "://us%20er:hunter2%40%C3%BC@") + "/a b.jpg?c=d e"
    read(SourceSpec(uri, poll=0.001, reconnect=AGAIN), 2)
    sent = f"Basic {base64.b64encode('us er:hunter2@ü'.encode()).decode()}"
    assert camera.requests == [("/a%20b.jpg?c=d%20e", sent)] * 3
    assert len(caplog.messages) == 2
    assert "hunter2" not in caplog.text
    camera.then = reply(status=401)
    assert "hunter2" not in str(failure(SourceSpec(uri, poll=0.001)))


def test_redirects_are_followed_and_only_the_own_server_gets_the_password(
    camera: Camera,
) -> None:
    elsewhere = camera.url.replace("127.0.0.1", "localhost")
    camera.script = [
        reply(status=302, Location="/b.jpg"),
        reply(status=307, Location=f"{elsewhere}/c.jpg"),
    ]
    uri = camera.url.replace("://", "://u:p@") + "/a.jpg"
    _, frames, _ = read(SourceSpec(uri, poll=0.001), 1)
    assert len(frames) == 1
    sent = f"Basic {base64.b64encode(b'u:p').decode()}"
    assert camera.requests == [("/a.jpg", sent), ("/b.jpg", sent), ("/c.jpg", None)]


@pytest.mark.parametrize("while_opening", [True, False])
def test_stop_ends_a_request_that_is_blocked(camera: Camera, while_opening: bool) -> None:
    blocked = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        blocked.set()
        camera.over.wait(LIMIT)

    camera.script = [] if while_opening else [camera.then]
    camera.then = hang
    frames: list[Any] = []
    source = make_source(camera.spec(open_timeout=LIMIT, read_timeout=LIMIT))

    def run() -> None:
        if source.open() is not None:
            frames.extend(source)

    thread = threading.Thread(target=run)
    thread.start()
    assert blocked.wait(LIMIT)
    source.stop()
    thread.join(LIMIT / 2)
    assert not thread.is_alive()
    assert len(frames) == (0 if while_opening else 1)
    source.close()


def test_stop_ends_the_wait_for_the_next_request(camera: Camera) -> None:
    with closing(make_source(camera.spec(poll=3600.0))) as source:
        source.open()
        frames = iter(source)
        next(frames)
        stopper = threading.Timer(0.05, source.stop)
        stopper.start()
        assert list(frames) == []
        stopper.join(LIMIT)


def test_no_thread_is_left_by_many_outages(camera: Camera) -> None:
    before = threading.active_count()
    camera.script = [camera.then, reply(status=500)] * 30
    _, frames, source = read(camera.spec(), 31)
    assert source.reconnects == 30
    names = [thread.name for thread in threading.enumerate()]
    assert "flowrun-watchdog" not in names
    assert threading.active_count() <= before + 2  # of the server
    assert len(frames) == 31


def test_it_is_not_paced(camera: Camera) -> None:
    assert camera.spec().live is True
    assert not isinstance(make_source(camera.spec()), PacedSource)
