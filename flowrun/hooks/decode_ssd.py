"""Detections from the rows of an SSD detector."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.decoding import detections, rows, to_view
from flowrun.hooks.label_files import Labels, read_labels
from flowrun.inference import Result

_IMAGE, _LABEL, _CONFIDENCE, _BOX = 0, 1, 2, slice(3, 7)


class decode_ssd:
    """Attaches what an SSD head has found, with its `labels`.

    `output` has rows `[image, label, confidence, x0, y0, x1, y1]`, shape (n, 7) or (1, 1, n, 7),
    corners as shares (0 to 1) of what the model saw; an image below 0 ends the list. What has less
    confidence than `threshold` is left out. `labels`: a file, a list or a mapping.
    """

    def __init__(
        self,
        *,
        output: str = "detection_out",
        threshold: float = 0.5,
        labels: Labels | None = None,
    ) -> None:
        self._output = output
        self._threshold = options.number("threshold", threshold)
        self._names = read_labels(labels)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        found = rows(result, self._output, 7)
        ends = np.flatnonzero(found[:, _IMAGE] < 0)
        if len(ends):
            found = found[: ends[0]]
        return detections(
            frame,
            to_view(frame, found[:, _BOX]),
            found[:, _CONFIDENCE],
            found[:, _LABEL],
            threshold=self._threshold,
            names=self._names,
        )
