"""Stand-in models: the signatures of the usual servables, the objects of the clips by colour.

`flowrun serve NAME=docs.images.stand_ins:FUNCTION` serves one of them. Nothing is trained: all
scores are constants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from docs.images.colors import STREET, Array, Box, find, mask

Tensors = Mapping[str, Array]

WORDS = ("cafe", "bakery", "open", "parking")
ALPHABET = "#1234567890abcdefghijklmnopqrstuvwxyz"  # the first is CTC's blank


def ssd(rows: Iterable[tuple[int, float, Box | None]]) -> Tensors:
    """`detection_out` of OpenVINO's detectors: [image, label, confidence, x0, y0, x1, y1]."""
    out = np.zeros((200, 7), np.float32)
    out[:, 0] = -1
    found = [(label, score, box) for label, score, box in rows if box is not None]
    for row, (label, score, box) in zip(out, found, strict=False):
        row[:] = (0, label, score, *box)
    return {"detection_out": out[None, None]}


def rgb(data: Array) -> Array:
    """A picture (1, 3, height, width) or (1, height, width, 3), BGR, as (height, width, 3), RGB."""
    planes = data[0]
    return (planes.transpose(1, 2, 0) if planes.shape[0] == 3 else planes)[:, :, ::-1]


def faces(tensors: Tensors) -> Tensors:
    picture = rgb(tensors["data"])
    return ssd(
        (1, score, find(picture, key)) for key, score in (("light skin", 0.97), ("dark skin", 0.96))
    )


def street(tensors: Tensors) -> Tensors:
    picture = rgb(tensors["data"])
    labels = {"car": 0, "bus": 0, "person": 1}
    return ssd(
        (labels[kind], score, find(picture, key, margins))
        for key, (kind, margins, score) in STREET.items()
    )


def things(tensors: Tensors) -> Tensors:
    picture = tensors["input_tensor"][0]
    labels = {"person": 1, "car": 3, "bus": 6}  # of COCO
    boxes, classes, scores = np.zeros((100, 4)), np.ones(100), np.zeros(100)
    count = 0
    for key, (kind, margins, score) in STREET.items():
        if box := find(picture, key, margins):
            x0, y0, x1, y1 = box
            boxes[count], classes[count], scores[count] = (y0, x0, y1, x1), labels[kind], score
            count += 1
    return {
        "detection_boxes": boxes[None].astype(np.float32),
        "detection_classes": classes[None].astype(np.float32),
        "detection_scores": scores[None].astype(np.float32),
        "num_detections": np.array([count], np.float32),
    }


def kinds(tensors: Tensors) -> Tensors:
    """The classes of ImageNet that the street has: school bus, sports car, cab."""
    picture = tensors["gpu_0/data_0"][0]
    shares = {
        class_id: float(mask(picture, key).sum())
        for class_id, key in ((779, "bus"), (817, "red car"), (468, "blue car"))
    }
    scores = np.full((1, 1000), 1e-4, np.float32)
    for class_id, share in shares.items():
        scores[0, class_id] = share / max(1.0, sum(shares.values()))
    return {"gpu_0/softmax_1": scores / scores.sum()}


def texts(tensors: Tensors) -> Tensors:
    picture = rgb(tensors["image"])
    height, width = picture.shape[:2]
    found = [box for word in WORDS if (box := find(picture, word))]
    rows = [(x0 * width, y0 * height, x1 * width, y1 * height, 0.9) for x0, y0, x1, y1 in found]
    return {"boxes": np.array(rows, np.float32).reshape(-1, 5)}


def read(tensors: Tensors) -> Tensors | None:
    """Each word is known by the colour of its sign; `None` where there is none."""
    picture = rgb(tensors["image"])
    height, width = picture.shape[:2]
    found = {word: box for word in WORDS if (box := find(picture, word))}
    if not found:
        return None
    steps = np.zeros((len(found), 1, 2 * max(map(len, found)), len(ALPHABET)), np.float32)
    steps[..., 0] = 0.5  # blank, unless a letter is likelier
    for row, word in zip(steps[:, 0], found, strict=True):
        for at, letter in enumerate(word):
            row[2 * at, ALPHABET.index(letter)] = 1
    corners = [
        (x0 * width, y0 * height, (x1 - x0) * width, (y1 - y0) * height)
        for x0, y0, x1, y1 in found.values()
    ]
    return {"texts": steps, "text_coordinates": np.array(corners).round().astype(np.int32)}


def _declare(function: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Say what the tensors are, as `flowrun serve` reads it."""
    vars(function).update(inputs=inputs, outputs=outputs)


_TEXT = {"image": ("FP32", (1, 704, 704, 3))}
_declare(faces, {"data": ("FP32", (1, 3, 300, 300))}, {"detection_out": ("FP32", (1, 1, 200, 7))})
_declare(
    street, {"data": ("FP32", (1, 3, 1024, 1024))}, {"detection_out": ("FP32", (1, 1, 200, 7))}
)
_declare(
    things,
    {"input_tensor": ("UINT8", (1, 255, 255, 3))},
    {
        "detection_boxes": ("FP32", (1, 100, 4)),
        "detection_classes": ("FP32", (1, 100)),
        "detection_scores": ("FP32", (1, 100)),
        "num_detections": ("FP32", (1,)),
    },
)
_declare(
    kinds, {"gpu_0/data_0": ("UINT8", (1, 224, 224, 3))}, {"gpu_0/softmax_1": ("FP32", (1, 1000))}
)
_declare(texts, _TEXT, {"boxes": ("FP32", (-1, 5))})
_declare(
    read,
    _TEXT,
    {"texts": ("FP32", (-1, 1, -1, len(ALPHABET))), "text_coordinates": ("INT32", (-1, 4))},
)
