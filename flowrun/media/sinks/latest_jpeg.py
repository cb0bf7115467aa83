"""The newest picture, for whoever looks."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image as Pillow

from flowrun.frame import Image

QUALITY = 80  # of 100: half the bytes of 90, and nobody computes with it
WIDEST = 1280  # pixels; what is wider is made smaller
SPACING = 1 / 40  # seconds; pictures that come faster than that are left out


class LatestJpeg:
    """Keeps one picture, and makes a JPEG of it when somebody asks, once for all who do.

    `put` costs a lock, whoever looks; each of them gets the newest picture there is when it asks,
    and never one twice unless nothing else comes. Any thread.
    """

    def __init__(
        self, color: Literal["rgb", "bgr"], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._color = color
        self._clock = clock
        self._changed = threading.Condition()
        self._image: Image | None = None
        self._number = 0  # of the picture, from 1
        self._at = float("-inf")  # when it came
        self._closed = False
        self._encoding = threading.Lock()
        self._encoded = (0, b"")

    def put(self, image: Image) -> None:
        """`image`, uint8 (height, width, 3), is the newest; it must not change any more."""
        with self._changed:
            now = self._clock()
            if now - self._at >= SPACING:
                self._image, self._number, self._at = image, self._number + 1, now
                self._changed.notify_all()

    def close(self) -> None:
        """There will be no other; nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def after(self, number: int, timeout: float) -> tuple[int, bytes] | None:
        """The newest picture and its number, as soon as that is above `number`; after `timeout`
        seconds the same one again, empty if there is none. `None` after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, timeout)
            if self._closed:
                return None
            image, number = self._image, self._number
        if image is None:
            return 0, b""
        with self._encoding:
            if self._encoded[0] < number:
                self._encoded = (number, self._jpeg(image))
            return self._encoded

    def _jpeg(self, image: Image) -> bytes:
        rgb = image[:, :, ::-1] if self._color == "bgr" else image
        picture = Pillow.fromarray(np.ascontiguousarray(rgb))
        if picture.width > WIDEST:
            size = (WIDEST, max(1, round(picture.height * WIDEST / picture.width)))
            picture = picture.resize(size, Pillow.Resampling.BILINEAR, reducing_gap=2.0)
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=QUALITY)
        return stream.getvalue()
