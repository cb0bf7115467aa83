"""Read the outputs of a result and convert boxes, for the hooks that decode."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from flowrun.detection import Detection
from flowrun.frame import Frame
from flowrun.inference import Result, Tensor
from flowrun.view import Box

FloatArray = npt.NDArray[np.float64]


def output_name(result: Result, name: str | None) -> str:
    """`name`, or the name of the only output. Raises `ValueError` if there are several."""
    if name is None and len(result.outputs) > 1:
        raise ValueError(
            f"the response has the outputs {_names(result)}; choose one with the option `output`"
        )
    return name or "".join(result.outputs)


def output(result: Result, name: str) -> Tensor:
    """The output `name`. Raises `ValueError` if it is missing."""
    tensor = result.as_numpy(name)
    if tensor is None:
        raise ValueError(f"the response has no output {name!r}, only {_names(result)}")
    return tensor


def rows(result: Result, name: str, *widths: int) -> FloatArray:
    """The output `name` as (n, one of `widths`), ignoring dimensions of 1; n may be 0."""
    tensor = output(result, name)
    if tensor.size == 0:
        return np.empty((0, widths[0]))
    *outer, width = tensor.shape or (1,)
    if not outer or width not in widths or tensor.size != max(outer) * width:
        shapes = " or ".join(f"(n, {width})" for width in widths)
        raise wrong_shape(name, tensor, f"numbers with shape {shapes}")
    return as_float(name, tensor).reshape(-1, width)


def column(result: Result, name: str, count: int | None = None) -> FloatArray:
    """The output `name` as (count,), or of any length, ignoring dimensions of 1."""
    tensor = output(result, name)
    flat = sum(size != 1 for size in tensor.shape) <= 1
    if not flat or count not in (None, tensor.size):
        raise wrong_shape(name, tensor, f"numbers with shape ({'n' if count is None else count},)")
    return as_float(name, tensor).reshape(-1)


def as_float(name: str, tensor: Tensor) -> FloatArray:
    if tensor.dtype.kind not in "fiu":
        raise wrong_shape(name, tensor, "numbers")
    return tensor.astype(np.float64)


def wrong_shape(name: str, tensor: Tensor, expected: str) -> ValueError:
    """The error for an output with another dtype or shape than the hook decodes."""
    shape = tuple(tensor.shape)
    return ValueError(f"output {name!r} is {tensor.dtype} with shape {shape}, expected {expected}")


def in_source(frame: Frame, box: Box) -> Box | None:
    """Convert `box` from pixels of the model's image to pixels of the source's, clipped to it;
    `None` if nothing is left or a corner is not finite."""
    if not all(map(math.isfinite, box)):
        return None
    x0, y0, x1, y1 = frame.seen.to_source(box)
    x0, x1 = max(x0, 0.0), min(x1, float(frame.width))
    y0, y1 = max(y0, 0.0), min(y1, float(frame.height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def to_pixels(frame: Frame, boxes: FloatArray) -> FloatArray:
    """Convert boxes (n, 4) from fractions to pixels of the model's image."""
    width, height = frame.seen.width, frame.seen.height
    pixels: FloatArray = boxes * (width, height, width, height)
    return pixels


def detections(
    frame: Frame,
    boxes: FloatArray,
    scores: FloatArray,
    ids: FloatArray | None,
    *,
    threshold: float,
    names: Mapping[int, str],
) -> list[Detection]:
    """The detections with a score of at least `threshold`, in the order of the rows.

    `boxes` (n, 4) are in pixels of the model's image; `scores` and `ids` are (n,). Rows with a
    number that is not finite, and boxes outside the image, are omitted.
    """
    found = []
    for n in np.flatnonzero(scores >= threshold):
        x0, y0, x1, y1 = boxes[n].tolist()
        box = in_source(frame, (x0, y0, x1, y1))
        score, class_id = float(scores[n]), None if ids is None else float(ids[n])
        if box is None or not math.isfinite(score + (class_id or 0.0)):
            continue
        number = None if class_id is None else int(class_id)
        label = None if number is None else names.get(number)
        found.append(Detection(box, score, number, label))
    return found


def sigmoid(values: FloatArray) -> FloatArray:
    """Convert logits to probabilities, each on its own."""
    probabilities: FloatArray = 1 / (1 + np.exp(-np.clip(values, -500, 500)))
    return probabilities


def softmax(values: FloatArray) -> FloatArray:
    """Convert logits to probabilities along the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    probabilities: FloatArray = powers / powers.sum(axis=-1, keepdims=True)
    return probabilities


def _names(result: Result) -> str:
    return ", ".join(map(repr, result.outputs))
