"""Stand-in models with the outputs of YOLO and RT-DETR; see `stand_ins`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from docs.images.colors import STREET, Array, find

Tensors = Mapping[str, Array]

SIDE, CANDIDATES, CLASSES = 640, 8400, 80
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


vars(yolo).update(
    inputs={"images": ("FP32", (1, 3, SIDE, SIDE))},
    outputs={"output0": ("FP32", (1, 4 + CLASSES, CANDIDATES))},
)
