"""Decode the rows of an SSD detector into detections."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import detections, rows, to_pixels
from flowrun.hooks.support.labels import Labels, read_labels
from flowrun.inference import Result

_IMAGE, _LABEL, _CONFIDENCE, _BOX = 0, 1, 2, slice(3, 7)


class decode_ssd:
    """Attach the detections of an SSD head, with their `labels`.

    `output` has rows `[image, label, confidence, x0, y0, x1, y1]`, shape (n, 7) or (1, 1, n, 7),
    corners as fractions (0 to 1) of the model's image; an image below 0 ends the list. Detections
    with a confidence below `threshold` are omitted. `labels`: a file, a list or a mapping.
    """

    def __init__(
        self,
        *,
        output: str = "detection_out",
        threshold: float = 0.5,
        labels: Labels | None = None,
    ) -> None:
        self._output = output
        self.reads_outputs = (output,)
        self._threshold = options.number("threshold", threshold)
        self._names = read_labels(labels)

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        metadata.check_rows(metadata.named(outputs, self._output), 7)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        table = rows(result, self._output, 7)
        ends = np.flatnonzero(table[:, _IMAGE] < 0)
        if len(ends):
            table = table[: ends[0]]
        return detections(
            frame,
            to_pixels(frame, table[:, _BOX]),
            table[:, _CONFIDENCE],
            table[:, _LABEL],
            threshold=self._threshold,
            names=self._names,
        )
