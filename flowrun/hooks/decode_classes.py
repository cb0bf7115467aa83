"""What the picture is, from a classifier's scores."""

from __future__ import annotations

import numpy as np

from flowrun.detection import Classification
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.decoding import column, output, softmax
from flowrun.hooks.label_files import Labels, read_labels
from flowrun.inference import Result


class decode_classes:
    """Attaches the `k` most likely classes, the most likely first, with their `labels`.

    `output` (default: the model's only one) has one score for each class, shape (n,), (1, n) or
    (1, n, 1, 1): probabilities, or any numbers with `softmax: true`. Classes below `threshold`, and
    those without a finite score, are left out. `labels`: a file, a list or a mapping.
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
        self._k = options.whole("k", k)
        self._threshold = options.number("threshold", threshold)
        self._softmax = options.truth("softmax", softmax)
        self._names = read_labels(labels)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return frame.attach(classes=self._found(result) if result.outputs else ())

    def _found(self, result: Result) -> tuple[Classification, ...]:
        name, _ = output(result, self._output)
        scores = column(result, name)
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
