"""Serve a web page with the newest frame and the figures of the run."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from flowrun.frame import Frame
from flowrun.media import pixel_aspect
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.latest_jpeg import MULTIPART, LatestJpeg
from flowrun.media.sinks.placeholder import OutagePlaceholder
from flowrun.spec.flow import SinkSpec
from flowrun.system.http.access import Access
from flowrun.system.http.messages import HTML, JSON, Request, Response
from flowrun.system.http.server import HttpServer

log = logging.getLogger("flowrun")

ADDRESS = "127.0.0.1:8080"
LINGER = 0.8  # seconds for open pages to fetch the last figures: they poll every 0.3 s
PAGE = Path(__file__).with_suffix(".html")  # its requests are relative to its own address
POLICY = (
    "default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class WebSink:
    """Show the newest frame and the run's figures at the address of the flow, until the run ends.

    `/` is the page, `/stream` the frames as JPEGs (multipart), `/status` the value of
    `SinkContext.status` as JSON. A client never makes the run wait: it gets the newest picture when
    it has received the one before, on the threads of the server. A frame costs a lock; pictures are
    only encoded while a client is connected. Keeps one frame. Raises `RunError` if it cannot listen
    on the address.
    """

    every = 0.25
    repeated = 0
    reconnects = 0

    def __init__(
        self, spec: SinkSpec, context: SinkContext, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._context = context
        self._aspect = context.info.pixel_aspect  # of the last frame
        self._clock = clock
        self._latest = LatestJpeg(context.color, clock)
        self._placeholder = OutagePlaceholder(context)
        self._polled = float("-inf")  # time of the last request for the figures
        self._aborted = threading.Event()
        routes = {"/": self._page, "/status": self._status, "/stream": self._stream}
        address = spec.uri.partition(":")[2] or ADDRESS
        access = Access(spec.hosts, spec.token)
        self._server = HttpServer(address, routes, key=context.key, access=access)
        self.url = self._server.url
        log.info(
            "%s: watch the run at %s%s",
            *(
                context.key,
                self.url,
                "" if spec.token is None else "/?token=… (the flow's `token`)",
            ),
        )
        if not self._server.is_loopback and spec.token is None:
            log.warning(
                "%s: anyone who can reach %s can watch the run; `token` in the flow prevents that",
                *(context.key, self.url),
            )

    def write(self, frame: Frame) -> None:
        self._aspect = pixel_aspect.of_frame(frame, self._context.info)
        self._latest.put(frame.image, self._aspect)
        self._placeholder.frame_shown(frame)

    def tick(self) -> None:
        if (image := self._placeholder.due()) is not None:
            self._latest.put(image, self._aspect)

    def close(self) -> None:
        """Close, after `LINGER` seconds in which open pages can fetch the last figures."""
        self._latest.close()
        if self._clock() - self._polled < LINGER:
            self._aborted.wait(LINGER)
        self._server.close()

    def abort(self) -> None:
        self._aborted.set()
        self._latest.close()
        self._server.close()

    def _page(self, request: Request) -> Response:
        return Response(PAGE.read_bytes(), HTML, headers={"Content-Security-Policy": POLICY})

    def _status(self, request: Request) -> Response:
        self._polled = self._clock()
        return Response(json.dumps(self._context.status()).encode(), JSON)

    def _stream(self, request: Request) -> Response:
        return Response(self._latest.stream(), MULTIPART)
