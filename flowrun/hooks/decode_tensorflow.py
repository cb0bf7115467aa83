"""Detections from a model of TensorFlow's object detection."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.decoding import column, detections, rows, to_view
from flowrun.hooks.label_files import Labels, read_labels
from flowrun.inference import Result

_Y0, _X0, _Y1, _X1 = range(4)


class decode_tensorflow:
    """Attaches what a detector with TensorFlow's four outputs has found, with its `labels`.

    `boxes` names the output with `[y0, x0, y1, x1]` as shares (0 to 1) of what the model saw, shape
    (n, 4); `scores` and `classes` those with a score and a class id for each, (n,); `count` the one
    that says how many rows count, used if the answer has it. All with or without a batch
    dimension of 1. What has a lower score than `threshold` is left out. `labels`: `coco`, a file, a
    list or a mapping; the first of a list, or of a file without ids, belongs to the class
    `first_id`.
    """

    def __init__(
        self,
        *,
        boxes: str = "detection_boxes",
        scores: str = "detection_scores",
        classes: str = "detection_classes",
        count: str = "num_detections",
        threshold: float = 0.5,
        labels: Labels | None = None,
        first_id: int = 1,
    ) -> None:
        self._boxes = boxes
        self._scores = scores
        self._classes = classes
        self._count = count
        self._threshold = options.number("threshold", threshold)
        self._names = read_labels(labels, options.whole("first_id", first_id, 0))

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        boxes = rows(result, self._boxes, 4)[:, [_X0, _Y0, _X1, _Y1]]
        scores = column(result, self._scores, len(boxes))
        classes = column(result, self._classes, len(boxes))
        used = len(boxes)
        if self._count in result.outputs:
            used = max(0, int(np.nan_to_num(column(result, self._count, 1)[0])))
        return detections(
            frame,
            to_view(frame, boxes[:used]),
            scores[:used],
            classes[:used],
            threshold=self._threshold,
            names=self._names,
        )
