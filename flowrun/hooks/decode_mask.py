"""Decode semantic segmentation into one mask for each class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.class_maps import (
    NO_CLASS,
    Ids,
    Values,
    best_class,
    class_map,
    mask_in_source,
    planes,
)
from flowrun.hooks.support.decoding import output, output_name, wrong_shape
from flowrun.hooks.support.labels import Classes, Labels, class_ids, read_labels
from flowrun.inference import Result, Tensor

_ACTIVATIONS = ("none", "sigmoid", "softmax")
_LOWEST, _HIGHEST = -0.01, 1.01  # of a probability, which may be rounded


class decode_mask:
    """Attach a detection with a mask for each class that a segmentation model sees, with `labels`.

    `output` (default: the only one) has a class id for each pixel, (height, width), integers or
    FP32; or a value for each class and pixel, (classes, height, width) or (height, width, classes),
    of which the highest counts; or one value, (1, height, width), for class 1. All with or without
    a batch dimension of 1, and of any size. `activation` makes probabilities of the values:
    softmax, sigmoid, or none if they are. A pixel has no class if its probability is below
    `threshold` (default: 0.5 for one value, 0 for several). The class `background` is omitted;
    null: none is. `classes` are the ids or labels to keep. A box is that around its mask, a score
    the mean of its pixels (1 for class ids). `labels`: a file, a list or a mapping.
    """

    def __init__(
        self,
        *,
        output: str | None = None,
        activation: str = "none",
        threshold: float | None = None,
        background: int | None = 0,
        labels: Labels | None = None,
        classes: Classes | None = None,
    ) -> None:
        self._output = output
        self.reads_outputs = None if output is None else (output,)
        self._activation = options.choice("activation", activation, _ACTIVATIONS)
        self._threshold = None if threshold is None else options.number("threshold", threshold)
        self._background = (
            None if background is None else options.integer("background", background, 0)
        )
        self._names = read_labels(labels)
        self._classes = class_ids(classes, self._names)

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        tensor = metadata.only(outputs, self._output)
        fits = 2 <= len(tensor.shape) <= 4 and min(tensor.shape[-2:]) != 0  # noqa: PLR2004
        expected = "class ids (height, width), or numbers (classes, height, width)"
        metadata.check(tensor, expected, metadata.NUMBERS, fits)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterator[Detection]:
        name = output_name(result, self._output)
        tensor = output(result, name)
        if tensor.size == 0:
            return
        ids, scores = self._ids(name, tensor)
        for class_id in np.unique(ids).tolist():
            wanted = self._classes is None or class_id in self._classes
            if class_id in (NO_CLASS, self._background) or not wanted:
                continue
            chosen = ids == class_id
            found = mask_in_source(frame, chosen)
            if found is not None:
                box, mask = found
                score = 1.0 if scores is None else float(scores[chosen].mean())
                yield Detection(box, score, class_id, self._names.get(class_id), mask=mask)

    def _ids(self, name: str, tensor: Tensor) -> tuple[Ids, Values | None]:
        """The class of each pixel, (height, width), and its score; `None` if the model has none."""
        if tensor.dtype.kind in "iu":
            return class_map(name, tensor), None
        values = planes(name, tensor)
        if self._activation == "softmax" and len(values) == 1:
            raise wrong_shape(name, tensor, "several classes, or `activation: sigmoid`")
        if self._activation == "none":
            lowest, highest = np.nanmin(values, initial=0), np.nanmax(values, initial=0)
            if len(values) == 1 and lowest >= 0 and highest > _HIGHEST:  # class ids, as FP32
                whole = np.nan_to_num(values[0], nan=NO_CLASS, posinf=NO_CLASS)
                return whole.astype(np.intp), None
            if lowest < _LOWEST or highest > _HIGHEST:
                raise ValueError(
                    f"output {name!r} has values from {lowest:.4g} to {highest:.4g}, expected"
                    " probabilities from 0 to 1: write `activation: softmax` (one class for each"
                    " pixel) or `activation: sigmoid`"
                )
        return best_class(values, self._activation, self._threshold)
