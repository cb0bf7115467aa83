"""The side of a flow's process: serve its status to the supervisor, and end with it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from flowrun.chain.status import Status
from flowrun.frame import Frame, VideoInfo
from flowrun.media.sinks.latest_jpeg import MULTIPART
from flowrun.media.sinks.preview import Preview
from flowrun.observe.endpoint import routes
from flowrun.system.http.access import Access
from flowrun.system.http.messages import Request, Response
from flowrun.system.http.server import HttpServer
from flowrun.up.order import ABORT, STOP

_DRAIN = 5.0  # seconds to finish what is in flight when the supervisor is dead
_EXIT = 4.0  # seconds from the abort to the forced end

Report = Callable[[dict[str, Any]], None]


class Endpoint:
    """An HTTP server on a loopback port, for the supervisor alone, which knows `token`: the
    `routes` of a run, `/picture` (a small JPEG) and `/stream`. Reports its port at once, and once
    that the run is open."""

    def __init__(self, status: Status, *, token: str, report: Report) -> None:
        self._report = report
        self._preview = Preview(status.flow.source.color)
        self._info: VideoInfo | None = None
        pictures = {"/picture": self._picture, "/stream": self._stream}
        self._server = HttpServer(
            "127.0.0.1:0", routes(status) | pictures, key="up", access=Access(token=token)
        )
        report({"port": urlsplit(self._server.url).port})

    def opened(self, info: VideoInfo) -> None:
        self._info = info
        self._report({"running": True, "live": bool(info.live)})

    def show(self, frame: Frame) -> None:
        if self._info is not None:
            self._preview.put(frame, self._info)

    def close(self) -> None:
        self._preview.close()
        self._server.close()

    def _picture(self, _: Request) -> Response:
        jpeg = self._preview.picture()
        return Response(jpeg, "image/jpeg") if jpeg else Response(b"no picture yet\n", status=503)

    def _stream(self, _: Request) -> Response:
        return Response(self._preview.stream(), MULTIPART)


class Stoppable(Protocol):
    def stop(self) -> None: ...
    def abort(self) -> None: ...


def obey(run: Stoppable, descriptor: int) -> None:
    """Stop and abort `run` when the supervisor says so on `descriptor`, on a thread of its own.

    If the supervisor dies, the run is stopped, aborted after `_DRAIN` seconds, and the process ends
    `_EXIT` seconds later at the latest.
    """
    threading.Thread(
        target=_obey, args=(run, descriptor), name="flowrun-supervised", daemon=True
    ).start()


def _obey(run: Stoppable, descriptor: int) -> None:
    while command := os.read(descriptor, 1):
        if command == STOP:
            run.stop()
        elif command == ABORT:
            run.abort()
    over = threading.Event()
    run.stop()
    over.wait(_DRAIN)
    run.abort()
    over.wait(_EXIT)
    os._exit(1)
