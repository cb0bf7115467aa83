"""Decode boxes with scores into detections, as text detectors and many others return them."""

from __future__ import annotations

from collections.abc import Iterable

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import column, detections, rows, to_pixels
from flowrun.hooks.support.labels import Labels, read_labels
from flowrun.inference import Result

_WITH_SCORE = 5  # columns


class decode_boxes:
    """Attach the boxes of a model that returns them ready to use.

    `boxes` names the output with `[x0, y0, x1, y1, score]`, shape (n, 5), or `[x0, y0, x1, y1]`,
    shape (n, 4); then `scores` names the output with the scores, (n,). `classes` names the output
    with the class ids, (n,), used if the response has it. Dimensions of 1 are ignored. Corners are
    in pixels of the model's image or, with `normalized`, fractions of it (0 to 1). Detections with
    a score below `threshold` are omitted. `labels`: a file, a list or a mapping.
    """

    def __init__(
        self,
        *,
        boxes: str = "boxes",
        scores: str = "scores",
        classes: str = "labels",
        normalized: bool = False,
        threshold: float = 0.3,
        labels: Labels | None = None,
    ) -> None:
        self._boxes = boxes
        self._scores = scores
        self._classes = classes
        self.reads_outputs = (boxes, scores, classes)
        self._normalized = options.boolean("normalized", normalized)
        self._threshold = options.number("threshold", threshold)
        self._names = read_labels(labels)

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        boxes = metadata.named(outputs, self._boxes)
        metadata.check_rows(boxes, 4, _WITH_SCORE)
        if boxes.shape[-1:] == (4,):
            metadata.check_column(metadata.named(outputs, self._scores))

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        table = rows(result, self._boxes, 4, _WITH_SCORE)
        count, width = table.shape
        if count == 0:
            return []
        boxes = table[:, :4]
        return detections(
            frame,
            to_pixels(frame, boxes) if self._normalized else boxes,
            table[:, 4] if width == _WITH_SCORE else column(result, self._scores, count),
            column(result, self._classes, count) if self._classes in result.outputs else None,
            threshold=self._threshold,
            names=self._names,
        )
