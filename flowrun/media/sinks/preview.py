"""Pictures of a run for other programs that show it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Literal

from flowrun.frame import Frame, VideoInfo
from flowrun.media import pixel_aspect
from flowrun.media.sinks.latest_jpeg import MAX_WIDTH, LatestJpeg

SMALL_WIDTH = 480  # pixels
_LINGER = 3.0  # seconds after a request in which pictures are kept for the next one
_FIRST = 1.0  # seconds to wait for a first picture
_INTERVALS = {SMALL_WIDTH: 0.4, MAX_WIDTH: 1 / 25}  # seconds between pictures, by their width


class Preview:
    """The newest frame as a JPEG, small or large. A frame costs two comparisons while nobody has
    asked for a picture in the last seconds. `put` is called by one thread, all others by any."""

    def __init__(
        self, color: Literal["rgb", "bgr"], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._sizes = {
            width: _Size(LatestJpeg(color, clock, width), interval)
            for width, interval in _INTERVALS.items()
        }

    def put(self, frame: Frame, info: VideoInfo) -> None:
        """Show `frame`, if somebody has asked for a picture lately and it is time for the next."""
        now = self._clock()
        for size in self._sizes.values():
            if now - size.asked <= _LINGER and now - size.shown >= size.interval:
                size.shown = now
                size.latest.put(frame.image, pixel_aspect.of_frame(frame, info))

    def picture(self) -> bytes:
        """The newest small picture, as JPEG; empty if there is none within a second."""
        size = self._sizes[SMALL_WIDTH]
        was_asked = self._clock() - size.asked <= _LINGER
        size.asked = self._clock()
        number = 0 if was_asked else size.latest.newest
        found = size.latest.wait_newer(number, _FIRST)
        return b"" if found is None else found[1]

    def stream(self) -> Iterator[bytes]:
        """Large pictures as they come, the parts of a `MULTIPART` response, until `close`."""
        size = self._sizes[MAX_WIDTH]
        for part in size.latest.stream():
            size.asked = self._clock()
            yield part

    def close(self) -> None:
        """End all streams."""
        for size in self._sizes.values():
            size.latest.close()


class _Size:
    def __init__(self, latest: LatestJpeg, interval: float) -> None:
        self.latest = latest
        self.interval = interval
        self.asked = self.shown = float("-inf")  # times of the last request and the last picture
