"""Detections from boxes with scores, as text detectors and many others answer them."""

from __future__ import annotations

from collections.abc import Iterable

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.decoding import column, detections, rows, to_view
from flowrun.hooks.label_files import Labels, read_labels
from flowrun.inference import Result

_WITH_SCORE = 5


class decode_boxes:
    """Attaches the boxes of a model that answers them as they are.

    `boxes` names the output with `[x0, y0, x1, y1, score]`, shape (n, 5), or with
    `[x0, y0, x1, y1]`, shape (n, 4), and then `scores` the one with the scores (n,). `classes`
    names the one with class ids (n,), which is used if the answer has it. Leading 1s do no harm.
    Corners are pixels of what the model saw, with `normalized` shares of it (0 to 1). What has a
    lower score than `threshold` is left out. `labels`: a file, a list or a mapping.
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
        self._normalized = options.truth("normalized", normalized)
        self._threshold = options.number("threshold", threshold)
        self._names = read_labels(labels)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        found = rows(result, self._boxes, 4, _WITH_SCORE)
        count, width = found.shape
        if count == 0:
            return []
        boxes = found[:, :4]
        return detections(
            frame,
            to_view(frame, boxes) if self._normalized else boxes,
            found[:, 4] if width == _WITH_SCORE else column(result, self._scores, count),
            column(result, self._classes, count) if self._classes in result.outputs else None,
            threshold=self._threshold,
            names=self._names,
        )
