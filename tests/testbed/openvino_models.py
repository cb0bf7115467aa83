"""Small models with the signatures of the usual ones, as OpenVINO IR files: FOLDER/NAME.xml.

    PYTHON openvino_models.py FOLDER

PYTHON is that of an environment with `openvino`. Nothing is trained: what they find is the box
around the bright pixels, those whose channels have a mean above 127, so that a test can tell the
answer beforehand. A picture without any gives no detection.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from openvino import opset13 as ops

ROWS = 200  # of an SSD
BOXES = 100  # of a Faster R-CNN
CLASSES = 1000
FLOAT, BYTE = openvino.Type.f32, openvino.Type.u8


def constant(*values: float) -> Any:
    return ops.constant(np.array(values, np.float32))


def scalar(value: float) -> Any:
    return ops.constant(np.float32(value))


def axes(*numbers: int) -> Any:
    return ops.constant(np.array(numbers, np.int64))


def row(*numbers: Any) -> Any:
    """One tensor (n,) of n numbers."""
    return ops.concat([ops.reshape(number, axes(1), False) for number in numbers], 0)


def planes(picture: Any) -> Any:
    """(3, height, width), FP32, of a picture (1, height, width, 3)."""
    return ops.transpose(ops.squeeze(ops.convert(picture, "f32"), axes(0)), axes(2, 0, 1))


def found(picture: Any, height: int, width: int, left: int = 0) -> tuple[Any, list[Any]]:
    """Whether there is a bright pixel in `picture` (3, height, width), as 1.0 or 0.0, and the box
    around them all: x0, y0, x1, y1 in pixels, x counted from `-left` on."""
    bright = ops.convert(ops.greater(ops.reduce_mean(picture, axes(0)), scalar(127)), "f32")
    edges = []
    for axis, size, start in ((0, width, left), (1, height, 0)):
        lit = ops.greater(ops.reduce_max(bright, axes(axis)), scalar(0))
        placement = constant(*range(start, start + size))
        beyond = scalar(start + size)
        edges.append(
            (
                ops.reduce_min(ops.select(lit, placement, beyond), axes(0)),
                ops.reduce_max(ops.select(lit, placement + scalar(1), scalar(0)), axes(0)),
            )
        )
    (x0, x1), (y0, y1) = edges
    return ops.reduce_max(bright, axes(0, 1)), [x0, y0, x1, y1]


def first_above_last(picture: Any) -> Any:
    """Whether the first channel of (3, height, width) is the brighter one of the first and last."""
    means = ops.reduce_mean(picture, axes(1, 2))
    first, last = (ops.gather(means, axes(channel), axes(0)) for channel in (0, 2))
    return ops.squeeze(ops.greater_equal(first, last), axes(0))


def ssd(side: int) -> Any:
    """`data` FP32 (1, 3, side, side) to `detection_out` (1, 1, 200, 7): one row of confidence
    0.875, label 1 if the first channel is at least as bright as the last one, else 2."""
    data = ops.parameter([1, 3, side, side], FLOAT, name="data")
    picture = ops.squeeze(data, axes(0))
    there, box = found(picture, side, side)
    label = ops.select(first_above_last(picture), scalar(1), scalar(2))
    corners = [edge / scalar(side) for edge in box]
    best = row(there - scalar(1), label, there * scalar(0.875), *corners)
    rest = np.zeros((ROWS - 1, 7), np.float32)
    rest[:, 0] = -1
    rows = ops.concat([ops.unsqueeze(best, axes(0)), ops.constant(rest)], 0)
    return model({"detection_out": ops.unsqueeze(rows, axes(0, 1))}, data)


def text(side: int = 704) -> Any:
    """`image` FP32 (1, side, side, 3) to `boxes` (n, 5): the box in the left half and the one in
    the right half, in pixels with confidence 0.75; n is 0, 1 or 2."""
    image = ops.parameter([1, side, side, 3], FLOAT, name="image")
    halves = ops.split(planes(image), ops.constant(np.int64(2)), 2)
    there, boxes = [], []
    for number, half in enumerate(halves.outputs()):
        here, box = found(half, side, side // 2, left=number * side // 2)
        there.append(here)
        boxes.append(ops.unsqueeze(row(*box, scalar(0.75)), axes(0)))
    which = ops.squeeze(ops.non_zero(row(*there), "i64"), axes(0))
    return model({"boxes": ops.gather(ops.concat(boxes, 0), which, axes(0))}, image)


def resnet(side: int = 224) -> Any:
    """`gpu_0/data_0` UINT8 (1, side, side, 3) to `gpu_0/softmax_1` (1, 1000): the most likely class
    is the mean of the picture, rounded down."""
    data = ops.parameter([1, side, side, 3], BYTE, name="gpu_0/data_0")
    mean = ops.reduce_mean(ops.convert(data, "f32"), axes(1, 2, 3))
    kind = ops.convert(ops.floor(mean), "i64")
    hot = ops.one_hot(kind, ops.constant(np.int64(CLASSES)), scalar(10), scalar(0), -1)
    return model({"gpu_0/softmax_1": ops.softmax(hot, 1)}, data)


def faster_rcnn(side: int = 255) -> Any:
    """`input_tensor` UINT8 (1, side, side, 3) to `detection_boxes` (1, 100, 4), [y0, x0, y1, x1] as
    shares, `detection_classes` and `detection_scores` (1, 100), `num_detections` (1,): at most one,
    score 0.875, class 1 if the first channel is at least as bright as the last one, else 3."""
    data = ops.parameter([1, side, side, 3], BYTE, name="input_tensor")
    picture = planes(data)
    there, (x0, y0, x1, y1) = found(picture, side, side)
    best = row(*(edge * there / scalar(side) for edge in (y0, x0, y1, x1)))
    kind = ops.select(first_above_last(picture), scalar(1), scalar(3))
    rest = constant(*[0] * (BOXES - 1))
    boxes = ops.concat(
        [ops.unsqueeze(best, axes(0)), ops.constant(np.zeros((BOXES - 1, 4), np.float32))], 0
    )
    outputs = {
        "detection_boxes": ops.unsqueeze(boxes, axes(0)),
        "detection_classes": ops.unsqueeze(ops.concat([row(kind), rest], 0), axes(0)),
        "detection_scores": ops.unsqueeze(
            ops.concat([row(there * scalar(0.875)), rest], 0), axes(0)
        ),
        "num_detections": row(there),
    }
    return model(outputs, data)


def model(outputs: dict[str, Any], data: Any) -> Any:
    results = []
    for name, node in outputs.items():
        node.output(0).set_names({name})
        results.append(ops.result(node, name=name))
    data.output(0).set_names({data.friendly_name})
    return openvino.Model(results, [data])


MODELS: dict[str, Callable[[], Any]] = {
    "face-detection": lambda: ssd(300),
    "person-vehicle-detection": lambda: ssd(1024),
    "text": text,
    "resnet": resnet,
    "faster_rcnn": faster_rcnn,
}


if __name__ == "__main__":
    for name, build in MODELS.items():
        openvino.save_model(build(), Path(sys.argv[1]) / f"{name}.xml", compress_to_fp16=False)
