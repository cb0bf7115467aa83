"""What the hooks that decode a model's answer share."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from flowrun.detection import Detection
from flowrun.frame import Frame
from flowrun.inference import Result, Tensor
from flowrun.view import Box

Numbers = npt.NDArray[np.float64]


def output(result: Result, name: str | None) -> tuple[str, Tensor]:
    """The output `name` of an answer, or its only one, and what it is called. Raises `ValueError`
    naming those that there are."""
    names = ", ".join(map(repr, result.outputs))
    if name is None:
        if len(result.outputs) != 1:
            raise ValueError(f"the answer has the outputs {names}; name one of them")
        return next(iter(result.outputs.items()))
    tensor = result.as_numpy(name)
    if tensor is None:
        raise ValueError(f"the answer has no output {name!r}, only {names}")
    return name, tensor


def rows(result: Result, name: str, *widths: int) -> Numbers:
    """The output `name` as (n, width), whatever dimensions of 1 it has besides; n may be 0."""
    _, tensor = output(result, name)
    if tensor.size == 0:
        return np.empty((0, widths[0]))
    *outer, width = tensor.shape or (1,)
    if not outer or width not in widths or tensor.size != max(outer) * width:
        shapes = " or ".join(f"(n, {width})" for width in widths)
        raise unfit(name, tensor, f"numbers of shape {shapes}")
    return numbers(name, tensor).reshape(-1, width)


def column(result: Result, name: str, count: int | None = None) -> Numbers:
    """The output `name` as (count,), or of any length, whatever dimensions of 1 it has besides."""
    _, tensor = output(result, name)
    flat = sum(size != 1 for size in tensor.shape) <= 1
    if not flat or count not in (None, tensor.size):
        raise unfit(name, tensor, f"numbers of shape ({'n' if count is None else count},)")
    return numbers(name, tensor).reshape(-1)


def numbers(name: str, tensor: Tensor) -> Numbers:
    if tensor.dtype.kind not in "fiu":
        raise unfit(name, tensor, "numbers")
    return tensor.astype(np.float64)


def unfit(name: str, tensor: Tensor, expected: str) -> ValueError:
    """The error for an output that is not what the hook decodes."""
    return ValueError(
        f"the output {name!r} is {tensor.dtype} of shape {tuple(tensor.shape)}, not {expected}"
    )


def in_source(frame: Frame, box: Box) -> Box | None:
    """`box`, in pixels of what the model saw, in pixels of the source's picture and clipped to it;
    `None` if nothing is left of it, or it is no box."""
    if not all(map(math.isfinite, box)):
        return None
    x0, y0, x1, y1 = frame.seen.to_source(box)
    x0, x1 = max(x0, 0.0), min(x1, float(frame.width))
    y0, y1 = max(y0, 0.0), min(y1, float(frame.height))
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def to_view(frame: Frame, boxes: Numbers) -> Numbers:
    """Boxes (n, 4) whose corners are shares of what the model saw, in pixels of it."""
    width, height = frame.seen.width, frame.seen.height
    pixels: Numbers = boxes * (width, height, width, height)
    return pixels


def detections(
    frame: Frame,
    boxes: Numbers,
    scores: Numbers,
    ids: Numbers | None,
    *,
    threshold: float,
    names: Mapping[int, str],
) -> list[Detection]:
    """What has at least the score `threshold`, in the order of the rows.

    `boxes` (n, 4) are in pixels of what the model saw; `scores` and `ids` are (n,). Rows with a
    number that is not finite, and boxes outside the picture, are left out.
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


def softmax(values: Numbers) -> Numbers:
    """Scores of any size as probabilities along the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    shares: Numbers = powers / powers.sum(axis=-1, keepdims=True)
    return shares
