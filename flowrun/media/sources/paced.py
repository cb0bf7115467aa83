"""Play a recording in real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from flowrun.frame import Frame, VideoInfo
from flowrun.media.protocols import Source
from flowrun.media.sources.pacer import Pacer, Wait


class PacedSource:
    """The frames of `source`, none before its presentation time; a live source is passed through.

    The first frame is yielded at once. Each later one is yielded when the difference of their
    presentation times has passed; `captured` is that moment. A consumer that is behind gets frames
    at once until it has caught up.
    """

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = threading.Event.wait,
    ) -> None:
        self._source = source
        self._stopped = threading.Event()
        self._pacer = Pacer(self._stopped, clock=clock, wait=wait)
        self._info: VideoInfo | None = None

    @property
    def reconnects(self) -> int:
        return self._source.reconnects

    @property
    def unavailable_since(self) -> datetime | None:
        return self._source.unavailable_since

    @property
    def unavailable_s(self) -> float:
        return self._source.unavailable_s

    def open(self) -> VideoInfo | None:
        self._info = self._source.open()
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        if self._info is not None and self._info.live:
            yield from self._source
            return
        for frame in self._source:
            due = self._pacer.wait(frame.time)
            if due is None:
                return
            yield frame.placed(frame.index, frame.time, due)
            del frame

    def stop(self) -> None:
        self._stopped.set()
        self._source.stop()

    def close(self) -> None:
        self.stop()
        self._source.close()
