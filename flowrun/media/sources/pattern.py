"""Generate a moving test pattern with the frame number drawn in, without a file or a camera."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame, Image, VideoInfo
from flowrun.image.text import fitting_size, middle, text_mask, write
from flowrun.spec.flow import SourceSpec

_DEFAULT_SIZE, _DEFAULT_FPS = (1280, 720), 30.0
_URI = re.compile(r"test(?::(?P<w>\d+)x(?P<h>\d+)(?:@(?P<fps>\d+(?:\.\d+)?))?)?")
_MIN_SIDE = 16  # pixels; a smaller pattern shows nothing
_MAX_SIDE = 16384  # pixels
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_BARS = ((235, 235, 235), (235, 220, 40), (40, 220, 220), (40, 200, 60), (210, 60, 200),
         (220, 50, 40), (40, 60, 210), (30, 30, 30))  # fmt: skip


class PatternSource:
    """Endless colour bars, a ramp that moves by one pixel per frame, and the frame number.

    `test:WIDTHxHEIGHT@FPS`; as fast as frames are requested, with presentation times at `FPS`.
    """

    reconnects = 0
    unavailable_since = None
    unavailable_s = 0.0

    def __init__(self, spec: SourceSpec) -> None:
        match = _URI.fullmatch(spec.uri)
        if match is None:
            raise InvalidFlowError(
                f"{spec.uri} is not a test pattern", key="source", hint="write `test:1280x720@30`"
            )
        named = (int(match["w"]), int(match["h"])) if match["w"] else _DEFAULT_SIZE
        width, height = spec.size or named
        if min(width, height) < _MIN_SIDE:
            raise InvalidFlowError(
                f"a test pattern of {width}x{height} is too small",
                key="source",
                hint=f"both sides need at least {_MIN_SIDE} pixels",
            )
        if max(width, height) > _MAX_SIDE:
            raise InvalidFlowError(
                f"a test pattern of {width}x{height} is too large",
                key="source",
                hint=f"both sides have at most {_MAX_SIDE} pixels",
            )
        fps = spec.fps or float(match["fps"] or _DEFAULT_FPS)
        self._step = 1 / Fraction(fps).limit_denominator(1001)
        tick = Fraction(1, self._step.denominator)
        self.info = VideoInfo(
            width, height, fps=fps, time_base=tick,
            color_range="tv", color_space="bt709", color_primaries="bt709",
            color_transfer="bt709",
        )  # fmt: skip
        self._reverse = spec.color == "bgr"
        self._stopped = threading.Event()

    def open(self) -> VideoInfo | None:
        return None if self._stopped.is_set() else self.info

    def __iter__(self) -> Iterator[Frame]:
        background = _bars(self.info.width, self.info.height)
        ramp = np.arange(self.info.width * 2) * 256 // self.info.width % 256
        index = 0
        while not self._stopped.is_set():
            image = background.copy()
            _draw(image, ramp.astype(np.uint8), index)
            if self._reverse:
                image = np.ascontiguousarray(image[:, :, ::-1])
            image.flags.writeable = False
            pts = float(index * self._step)
            yield Frame(image, index, pts, float(self._step), time.monotonic())
            index += 1

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.stop()


def _bars(width: int, height: int) -> Image:
    colors = np.array(_BARS, np.uint8)[np.arange(width) * len(_BARS) // width]
    return np.ascontiguousarray(np.broadcast_to(colors, (height, width, 3)))


def _draw(image: Image, ramp: npt.NDArray[np.uint8], index: int) -> None:
    height, width = image.shape[:2]
    band = slice(height * 3 // 4, height)
    start = width - index % width
    image[band] = ramp[start : start + width].repeat(3).reshape(width, 3)
    number = f"{index:05d}"
    size = max(1, fitting_size(("0" * len(number),), width * 3 // 4, height // 4))
    # Digit by digit: the masks of ten digits are cached, those of all numbers would not fit.
    mask = np.concatenate([text_mask(digit, size) for digit in number], axis=1)
    above = image[: band.start]
    write(above, mask, middle(above, mask), _WHITE, _BLACK)
