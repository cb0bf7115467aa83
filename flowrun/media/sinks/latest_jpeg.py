"""Encode the newest frame as a JPEG on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Literal

from flowrun.frame import Image
from flowrun.image.jpeg import encode_jpeg
from flowrun.image.scaling import scaled
from flowrun.media import pixel_aspect

QUALITY = 80  # of 100: half the bytes of 90, for people to look at
MAX_WIDTH = 1280  # pixels; wider images are scaled down
MIN_INTERVAL = 1 / 40  # seconds; frames that arrive faster are skipped
MULTIPART = "multipart/x-mixed-replace; boundary=picture"  # the type of `stream`
_BOUNDARY = b"--picture\r\n"
_WAIT = 0.5  # seconds for a new picture
_RESEND_AFTER = 4  # waits; sending the old picture again detects clients that have disconnected


class LatestJpeg:
    """Keep one image, and encode it when it is requested, once for all clients.

    `put` costs a lock, however many clients there are. Each client gets the newest image at the
    time of its request, and the same one twice only if there is no newer one. Any thread.
    """

    def __init__(
        self,
        color: Literal["rgb", "bgr"],
        clock: Callable[[], float] = time.monotonic,
        max_width: int = MAX_WIDTH,
    ) -> None:
        self._color = color
        self._max_width = max_width
        self._clock = clock
        self._changed = threading.Condition()
        self._image: Image | None = None
        self._aspect = pixel_aspect.SQUARE
        self._number = 0  # of the image, from 1
        self._put_at = float("-inf")
        self._closed = False
        self._encoding = threading.Lock()
        self._encoded = (0, b"")

    def put(self, image: Image, aspect: Fraction = pixel_aspect.SQUARE) -> None:
        """Make `image`, uint8 (height, width, 3), with pixels of `aspect`, the newest; it must not
        change afterwards. JPEGs have square pixels."""
        with self._changed:
            now = self._clock()
            if now - self._put_at >= MIN_INTERVAL:
                self._image, self._aspect = image, aspect
                self._number, self._put_at = self._number + 1, now
                self._changed.notify_all()

    def close(self) -> None:
        """Release all waiting clients."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def newest(self) -> int:
        """The number of the newest image, 0 if there is none."""
        return self._number

    def wait_newer(self, number: int, timeout: float) -> tuple[int, bytes] | None:
        """The newest image's number and JPEG, as soon as the number is above `number`; after
        `timeout` seconds the same one again, empty if there is none. `None` after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, timeout)
            if self._closed:
                return None
            image, aspect, number = self._image, self._aspect, self._number
        if image is None:
            return 0, b""
        with self._encoding:
            if self._encoded[0] < number:
                self._encoded = (number, self._encode(image, aspect))
            return self._encoded

    def stream(self) -> Iterator[bytes]:
        """The images as they come, as the parts of a `MULTIPART` response, until `close`; an empty
        part at least every half second."""
        # Send the boundary directly after a picture: browsers show the picture only then.
        yield _BOUNDARY
        sent, quiet = 0, 0
        while (latest := self.wait_newer(sent, _WAIT)) is not None:
            number, jpeg = latest
            quiet = 0 if number > sent else quiet + 1
            sent = number
            if jpeg and quiet % _RESEND_AFTER == 0:
                head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield head.encode() + jpeg + b"\r\n" + _BOUNDARY
            else:
                yield b""

    def _encode(self, image: Image, aspect: Fraction) -> bytes:
        height, width = image.shape[:2]
        width, height = pixel_aspect.display_size((width, height), aspect)
        if width > self._max_width:
            width, height = self._max_width, max(1, round(height * self._max_width / width))
        return encode_jpeg(scaled(image, (width, height)), self._color, QUALITY)
