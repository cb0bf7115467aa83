"""Decode the outputs of the TensorFlow Object Detection API into detections."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import column, detections, rows, to_pixels
from flowrun.hooks.support.labels import Labels, read_labels
from flowrun.inference import Result

_Y0, _X0, _Y1, _X1 = range(4)


class decode_tensorflow:
    """Attach the detections of a model with TensorFlow's four outputs, with their `labels`.

    `boxes` names the output with `[y0, x0, y1, x1]` as fractions (0 to 1) of the model's image,
    shape (n, 4); `scores` and `classes` name those with a score and a class id for each, (n,);
    `count` names that with the number of valid rows, used if the response has it. All with or
    without a batch dimension of 1. Detections with a score below `threshold` are omitted. `labels`:
    `coco`, a file, a list or a mapping; the first label of a list, or of a file without ids, is
    that of class `first_id`.
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
        self.reads_outputs = (boxes, scores, classes, count)
        self._threshold = options.number("threshold", threshold)
        self._names = read_labels(labels, options.integer("first_id", first_id, 0))

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        metadata.check_rows(metadata.named(outputs, self._boxes), 4)
        metadata.check_column(metadata.named(outputs, self._scores))
        metadata.check_column(metadata.named(outputs, self._classes))

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
            to_pixels(frame, boxes[:used]),
            scores[:used],
            classes[:used],
            threshold=self._threshold,
            names=self._names,
        )
