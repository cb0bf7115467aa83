"""A page that shows the run, for any browser."""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from flowrun.frame import Frame
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.latest_jpeg import LatestJpeg
from flowrun.media.sinks.placeholder import placeholder
from flowrun.spec.flow import SinkSpec
from flowrun.system.http_server import HTML, JSON, Asked, HttpServer, Reply

log = logging.getLogger("flowrun")

ADDRESS = "127.0.0.1:8080"
LINGER = 0.8  # seconds for pages that are open to fetch the last figures: they ask every 0.3 s
_PAGE = Path(__file__).with_suffix(".html")
_BETWEEN = b"--picture\r\n"
_WAIT = 0.5  # seconds
_AGAIN = 4  # waits without a new picture until the old one is sent again, to see who is still there


class WebSink:
    """Shows the newest frame and the run's figures at the address of the flow, until the run ends.

    `/` is the page, `/stream` the pictures as JPEGs (multipart), `/status` the value of
    `SinkContext.status` as JSON.
    Nobody who looks makes the run wait: each gets the newest picture when it has taken the one
    before, on the threads of the server. A frame costs a lock; pictures are only made while
    somebody looks. Keeps one frame. Raises `RunError` if nobody can listen there.
    """

    every = 0.25
    repeated = 0
    reconnects = 0

    def __init__(
        self, spec: SinkSpec, context: SinkContext, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._clock = clock
        self._newest = LatestJpeg(context.color, clock)
        self._size = (context.info.width, context.info.height)
        self._away: datetime | None = None  # what the picture says; `None` while it is a frame
        self._asked = float("-inf")  # when somebody last asked for the figures
        self._given_up = threading.Event()
        routes = {"/": self._page, "/status": self._status, "/stream": self._stream}
        address = spec.uri.partition(":")[2] or ADDRESS
        self._server = HttpServer(address, routes, key=context.key)
        self.url = self._server.url
        log.info("%s: watch the run at %s", context.key, self.url)
        if not _loopback(self.url):
            log.warning("%s: whoever reaches %s can watch as well", context.key, self.url)

    def write(self, frame: Frame) -> None:
        self._newest.put(frame.image)
        self._size, self._away = (frame.width, frame.height), None

    def tick(self) -> None:
        since = self._context.unavailable_since()
        if since is not None and since != self._away:
            self._newest.put(placeholder(self._size, since))
            self._away = since

    def close(self) -> None:
        """Leave a page that is open `LINGER` seconds to fetch the last figures."""
        self._newest.close()
        if self._clock() - self._asked < LINGER:
            self._given_up.wait(LINGER)
        self._server.close()

    def abort(self) -> None:
        self._given_up.set()
        self._newest.close()
        self._server.close()

    def _page(self, asked: Asked) -> Reply:
        return Reply(_PAGE.read_bytes(), HTML)

    def _status(self, asked: Asked) -> Reply:
        self._asked = self._clock()
        return Reply(json.dumps(self._context.status()).encode(), JSON)

    def _stream(self, asked: Asked) -> Reply:
        return Reply(self._pictures(), "multipart/x-mixed-replace; boundary=picture")

    def _pictures(self) -> Iterator[bytes]:
        # What ends a picture follows it at once: browsers show it only then.
        yield _BETWEEN
        sent, quiet = 0, 0
        while (newest := self._newest.after(sent, _WAIT)) is not None:
            number, jpeg = newest
            quiet = 0 if number > sent else quiet + 1
            sent = number
            if jpeg and quiet % _AGAIN == 0:
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield head.encode() + jpeg + b"\r\n" + _BETWEEN
            else:
                yield b""


def _loopback(url: str) -> bool:
    host = url.removeprefix("http://").rpartition(":")[0].strip("[]")
    return ipaddress.ip_address(host).is_loopback
