"""Decode the outputs of DETR, RT-DETR and D-FINE into detections."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import (
    FloatArray,
    as_float,
    detections,
    output,
    rows,
    sigmoid,
    softmax,
    to_pixels,
    wrong_shape,
)
from flowrun.hooks.support.labels import Classes, Labels, class_ids, read_labels
from flowrun.inference import Result

_ACTIVATIONS = ("sigmoid", "softmax", "none")
_WITHOUT_GAPS = 80  # classes of COCO; models with 91 have its ids


class decode_detr:
    """Attach the detections of a model with a box for each query, with their `labels`.

    `boxes` names the output with `[x, y, width, height]` of a box around the centre (x, y), as
    fractions (0 to 1) of the model's image, (1, n, 4). `scores` names that with a value for each
    class, (1, n, classes). `activation` makes scores of them: sigmoid, softmax (the last class is
    "nothing"), or none if they are scores. Of each query the best class counts; those with a score
    below `threshold` are omitted. No NMS is needed. `classes` are the ids or labels to keep.
    `labels`: `coco`, a file, a list or a mapping.
    """

    def __init__(
        self,
        *,
        boxes: str = "pred_boxes",
        scores: str = "logits",
        activation: str = "sigmoid",
        threshold: float = 0.5,
        labels: Labels | None = None,
        classes: Classes | None = None,
    ) -> None:
        self._boxes = boxes
        self._scores = scores
        self.reads_outputs = (boxes, scores)
        self._activation = options.choice("activation", activation, _ACTIVATIONS)
        self._threshold = options.number("threshold", threshold)
        self._names = {gaps: read_labels(labels, consecutive=not gaps) for gaps in (True, False)}
        self._classes = {gaps: class_ids(classes, names) for gaps, names in self._names.items()}

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        metadata.check_rows(metadata.named(outputs, self._boxes), 4)
        scores = metadata.named(outputs, self._scores)
        fits = len(scores.shape) > 1 and scores.shape[-1] != 0
        metadata.check(scores, "numbers with shape (1, n, classes)", metadata.NUMBERS, fits)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        boxes = rows(result, self._boxes, 4)
        if len(boxes) == 0:
            return []
        values = self._values(result, len(boxes))
        gaps = values.shape[1] != _WITHOUT_GAPS
        ids = values.argmax(axis=1)
        scores = values[np.arange(len(ids)), ids]
        kept = self._classes[gaps]
        if kept is not None:
            scores = np.where(np.isin(ids, kept), scores, np.nan)
        centers, sides = boxes[:, :2], boxes[:, 2:] / 2
        with np.errstate(invalid="ignore"):  # rows that are not finite are omitted
            corners = np.hstack([centers - sides, centers + sides])
        return detections(
            frame,
            to_pixels(frame, corners),
            scores,
            ids.astype(np.float64),
            threshold=self._threshold,
            names=self._names[gaps],
        )

    def _values(self, result: Result, count: int) -> FloatArray:
        """The scores of each query, (count, classes)."""
        tensor = output(result, self._scores)
        outer, classes = tensor.shape[:-1], tensor.shape[-1:]
        fits = [size for size in outer if size != 1] == [size for size in (count,) if size != 1]
        if not outer or not fits or classes < ((2,) if self._activation == "softmax" else (1,)):
            raise wrong_shape(self._scores, tensor, f"numbers with shape (1, {count}, classes)")
        values = as_float(self._scores, tensor).reshape(count, -1)
        with np.errstate(invalid="ignore"):
            if self._activation == "softmax":
                return softmax(values)[:, :-1]
            return sigmoid(values) if self._activation == "sigmoid" else values
