"""Stand-in models with the outputs of YOLO, RT-DETR and segmentation models; see `stand_ins`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from docs.images.colors import STREET, Array, find, mask

Tensors = Mapping[str, Array]

SIDE, CANDIDATES, CLASSES, PROTOTYPES = 640, 8400, 80, 32
ROAD = (98, 100, 106)  # its colour in the clip
# The colours of COCO's 17 points: the face, then left and right in turn, from shoulder to ankle.
POINTS = ["light skin", *[""] * 6, "left elbow", "right elbow", "left hand", "right hand"]
POINTS += ["", "", "left knee", "right knee", "left foot", "right foot"]
KINDS = {"person": 0, "car": 2, "bus": 5}  # of COCO, from 0


def rgb(planes: Array) -> Array:
    """A picture (1, 3, height, width), RGB from 0 to 1, as (height, width, 3) of bytes."""
    return np.round(planes[0].transpose(1, 2, 0) * 255).astype(np.uint8)


def things(picture: Array) -> Iterator[tuple[int, float, Any]]:
    """Class, score and centre, width and height (as shares) of what is on the street."""
    for key, (kind, margins, score) in STREET.items():
        if box := find(picture, key, margins):
            x0, y0, x1, y1 = box
            yield KINDS[kind], score, np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])


def yolo(tensors: Tensors) -> Tensors:
    """Candidates in columns, several for each object."""
    out = np.zeros((4 + CLASSES, CANDIDATES), np.float32)
    for n, (kind, score, box) in enumerate(things(rgb(tensors["images"]))):
        for copy in range(4):
            column = 600 + 40 * n + copy
            out[:4, column] = box * SIDE + 2 * copy
            out[4 + kind, column] = score - 0.1 * copy
    return {"output0": out[None]}


def segments(tensors: Tensors) -> Tensors:
    """As `yolo`, with a prototype for each key colour: its pixels and those below and above."""
    picture = rgb(tensors["images"])
    out = np.zeros((4 + CLASSES + PROTOTYPES, CANDIDATES), np.float32)
    out[:-PROTOTYPES] = yolo(tensors)["output0"][0]
    shapes = np.full((PROTOTYPES, SIDE // 4, SIDE // 4), -1, np.float32)
    keys = [key for key, (_, margins, _) in STREET.items() if find(picture, key, margins)]
    for n, key in enumerate(keys):
        shapes[n][mask(picture, key)[2::4, 2::4]] = 1
        out[4 + CLASSES + n, 600 + 40 * n : 604 + 40 * n] = 1
    return {"output0": out[None], "output1": shapes[None]}


def pose(tensors: Tensors) -> Tensors:
    """One person, whose limbs have colours of their own."""
    picture = rgb(tensors["images"])
    out = np.zeros((5 + 3 * len(POINTS), CANDIDATES), np.float32)
    boxes = [box for key in filter(None, POINTS) if (box := find(picture, key))]
    if boxes:
        low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
        out[:5, 900] = [*((low + high) / 2 * SIDE), *((high - low) * SIDE), 0.94]
        for n, key in enumerate(POINTS):
            box = find(picture, key) if key else None
            if box:
                x0, y0, x1, y1 = box
                out[5 + 3 * n : 8 + 3 * n, 900] = ((x0 + x1) / 2 * SIDE, (y0 + y1) / 2 * SIDE, 0.9)
    return {"output0": out[None]}


def queries(tensors: Tensors) -> Tensors:
    """Boxes and logits of 300 queries."""
    boxes, logits = np.zeros((300, 4), np.float32), np.full((300, CLASSES), -6, np.float32)
    for n, (kind, score, box) in enumerate(things(rgb(tensors["pixel_values"]))):
        boxes[7 * n], logits[7 * n, kind] = box, np.log(score / (1 - score))
    return {"logits": logits[None], "pred_boxes": boxes[None]}


def classes(tensors: Tensors) -> Tensors:
    """Logits of four classes for each pixel: 0 the rest, 1 the road, 2 vehicles, 3 people."""
    mean, std = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])
    picture = np.round(tensors["pixel_values"][0].transpose(1, 2, 0) * std + mean).astype(np.uint8)
    logits = np.zeros((1, 4, *picture.shape[:2]), np.float32)
    logits[0, 1][np.abs(picture.astype(int) - ROAD).max(axis=2) < 12] = 3
    for key, (kind, _, _) in STREET.items():
        logits[0, 3 if kind == "person" else 2][mask(picture, key)] = 5
    return {"logits": logits}


def _declare(function: Any, name: str, side: int, **outputs: tuple[int, ...]) -> None:
    vars(function).update(
        inputs={name: ("FP32", (1, 3, side, side))},
        outputs={output: ("FP32", shape) for output, shape in outputs.items()},
    )


_declare(yolo, "images", SIDE, output0=(1, 4 + CLASSES, CANDIDATES))
_declare(
    segments,
    "images",
    SIDE,
    output0=(1, 4 + CLASSES + PROTOTYPES, CANDIDATES),
    output1=(1, PROTOTYPES, SIDE // 4, SIDE // 4),
)
_declare(pose, "images", SIDE, output0=(1, 56, CANDIDATES))
_declare(queries, "pixel_values", SIDE, logits=(1, 300, CLASSES), pred_boxes=(1, 300, 4))
_declare(classes, "pixel_values", 512, logits=(1, 4, 512, 512))
