"""Read the outputs of semantic segmentation: a class for each pixel, and masks of the source."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from flowrun.detection import Mask
from flowrun.frame import Frame
from flowrun.hooks.support.decoding import wrong_shape
from flowrun.inference import Tensor
from flowrun.view import Box

Ids = npt.NDArray[np.intp]
Values = npt.NDArray[np.float32]

NO_CLASS = -1  # of a pixel
_FLAT, _STACK = 2, 3  # dimensions of a map, and of maps for all classes


def class_map(name: str, tensor: Tensor) -> Ids:
    """The class ids in `tensor`, integers, as (height, width)."""
    flat = tensor
    while flat.ndim > _FLAT and len(flat) == 1:
        flat = flat[0]
    if flat.ndim == _STACK and flat.shape[-1] == 1:
        flat = flat[..., 0]
    if flat.ndim != _FLAT:
        raise wrong_shape(name, tensor, "class ids with shape (height, width)")
    return flat.astype(np.intp)


def planes(name: str, tensor: Tensor) -> Values:
    """The values in `tensor` as (classes, height, width); there are fewer classes than rows and
    columns."""
    flat = tensor[0] if tensor.ndim == _STACK + 1 and len(tensor) == 1 else tensor
    if flat.ndim == _FLAT:
        flat = flat[None]
    if flat.ndim != _STACK or tensor.dtype.kind != "f":
        raise wrong_shape(name, tensor, "numbers with shape (classes, height, width)")
    if len(flat) > flat.shape[-1]:
        flat = flat.transpose(2, 0, 1)
    return flat.astype(np.float32, copy=False)


def best_class(values: Values, activation: str, threshold: float | None) -> tuple[Ids, Values]:
    """The best class of each pixel and its probability, (height, width) each, of (classes, height,
    width). A pixel below `threshold`, or with a value that is no number, has no class; of one value
    per pixel it is class 1 or 0, with a threshold of 0.5 by default."""
    best, ids = values[0].copy(), np.zeros(values.shape[1:], np.intp)
    for number in range(1, len(values)):  # several times as fast as argmax
        np.copyto(ids, number, where=values[number] > best)
        np.maximum(best, values[number], out=best)
    with np.errstate(over="ignore", invalid="ignore"):
        if activation == "softmax":
            best = 1 / np.exp(values - best).sum(axis=0)
        elif activation == "sigmoid":
            best = 1 / (1 + np.exp(-best))
    if len(values) == 1:
        above = best >= (0.5 if threshold is None else threshold)
        return above.astype(np.intp), np.where(above, best, 1 - best)
    ids[~(best >= (threshold or 0))] = NO_CLASS
    return ids, best


def mask_in_source(frame: Frame, chosen: npt.NDArray[np.bool_]) -> tuple[Box, Mask] | None:
    """The pixels of the source's picture where `chosen` (height, width), which shows what the model
    sees, is true, and the box around them; `None` if there are none."""
    seen = frame.seen
    left, top, right, bottom = seen.to_source((0, 0, seen.width, seen.height))
    columns, x = _nearest(np.any(chosen, axis=0), left, right, frame.width)
    rows, y = _nearest(np.any(chosen, axis=1), top, bottom, frame.height)
    pixels = chosen[np.ix_(y, x)]
    across, down = np.flatnonzero(pixels.any(axis=0)), np.flatnonzero(pixels.any(axis=1))
    if not len(across):
        return None
    pixels = pixels[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    height, width = pixels.shape
    x0, y0 = int(columns[across[0]]), int(rows[down[0]])
    box = (float(x0), float(y0), float(x0 + width), float(y0 + height))
    return box, Mask(pixels, x0, y0, frame.width, frame.height)


def _nearest(used: npt.NDArray[np.bool_], start: float, end: float, size: int) -> tuple[Ids, Ids]:
    """Along one axis: the pixels of the source between the first and the last one `used`, and the
    place in `used` that is nearest to each. It shows the source from `start` to `end`."""
    places = np.flatnonzero(used)
    scale = (end - start) / len(used)
    first, last = start + places[0] * scale, start + (places[-1] + 1) * scale
    pixels = np.arange(max(0, math.ceil(first - 0.5)), min(size, math.ceil(last - 0.5)))
    return pixels, np.clip(((pixels + 0.5 - start) / scale).astype(np.intp), 0, len(used) - 1)
