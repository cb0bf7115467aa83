"""Make masks from prototypes, as segmentation models of the YOLO family return them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from flowrun.detection import Mask
from flowrun.frame import Frame
from flowrun.hooks.support.decoding import FloatArray
from flowrun.view import Box

Floats = npt.NDArray[np.float32]


def mask_in_box(frame: Frame, box: Box, prototypes: Floats, coefficients: FloatArray) -> Mask:
    """The pixels in `box` (of the source's picture) for which the sigmoid of `coefficients` (m,)
    times `prototypes` (m, height, width) is at least 0.5.

    The prototypes show what the model sees, at any size. Between their values it is interpolated
    linearly, before the comparison. What the model does not see is not in the mask.
    """
    seen = frame.seen
    left, top, right, bottom = seen.to_source((0, 0, seen.width, seen.height))
    columns = _pixels(max(box[0], left), min(box[2], right))
    rows = _pixels(max(box[1], top), min(box[3], bottom))
    _, height, width = prototypes.shape
    x0, x1, x = _between((columns + 0.5 - left) / (right - left) * width, width)
    y0, y1, y = _between((rows + 0.5 - top) / (bottom - top) * height, height)
    if not (len(x) and len(y)):
        pixels = np.zeros((len(rows), len(columns)), np.bool_)
    else:
        part = prototypes[:, y0[0] : y1[-1] + 1, x0[0] : x1[-1] + 1]
        with np.errstate(invalid="ignore", over="ignore"):  # a mask of NaN is empty
            values = np.tensordot(coefficients.astype(np.float32), part, 1)
            tall = values[y0 - y0[0]] * (1 - y)[:, None] + values[y1 - y0[0]] * y[:, None]
            pixels = tall[:, x0 - x0[0]] * (1 - x) + tall[:, x1 - x0[0]] * x >= 0
    start = (int(columns[0]) if len(columns) else 0, int(rows[0]) if len(rows) else 0)
    return Mask(pixels, *start, frame.width, frame.height)


def _pixels(start: float, end: float) -> npt.NDArray[np.intp]:
    """The pixels whose centre is between `start` and `end`."""
    return np.arange(max(0, math.ceil(start - 0.5)), math.ceil(end - 0.5))


def _between(
    at: npt.NDArray[np.float64], size: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """For each place, the two of `size` values whose centres it is between, and the share of the
    second one."""
    place = np.clip(at - 0.5, 0, size - 1)
    low = np.floor(place).astype(np.intp)
    return low, np.minimum(low + 1, size - 1), (place - low).astype(np.float32)
