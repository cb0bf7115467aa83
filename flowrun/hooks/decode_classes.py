"""Decode the scores of a classifier into classes."""

from __future__ import annotations

import numpy as np

from flowrun.detection import Classification
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import column, output_name, softmax
from flowrun.hooks.support.labels import Labels, read_labels
from flowrun.inference import Result


class decode_classes:
    """Attach the `k` most likely classes, the most likely first, with their `labels`.

    `output` (default: the only one) has one score per class, shape (n,), (1, n) or (1, n, 1, 1):
    probabilities, or logits with `softmax: true`. Classes below `threshold`, and those without a
    finite score, are omitted. `labels`: a file, a list or a mapping.
    """

    def __init__(
        self,
        *,
        output: str | None = None,
        k: int = 1,
        threshold: float = 0.0,
        softmax: bool = False,
        labels: Labels | None = None,
    ) -> None:
        self._output = output
        self.reads_outputs = None if output is None else (output,)
        self._k = options.integer("k", k)
        self._threshold = options.number("threshold", threshold)
        self._softmax = options.boolean("softmax", softmax)
        self._names = read_labels(labels)

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        metadata.check_column(metadata.only(outputs, self._output))

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return frame.attach(classes=self._found(result) if result.outputs else ())

    def _found(self, result: Result) -> tuple[Classification, ...]:
        scores = column(result, output_name(result, self._output))
        ids = np.flatnonzero(np.isfinite(scores))
        scores = scores[ids]
        if self._softmax and len(ids):
            scores = softmax(scores)
        best = np.argsort(-scores, kind="stable")[: self._k]
        return tuple(
            Classification(int(ids[n]), float(scores[n]), self._names.get(int(ids[n])))
            for n in best
            if scores[n] >= self._threshold
        )
