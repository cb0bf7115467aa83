"""Decode the outputs of YOLO models: boxes, key points, masks and oriented boxes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from flowrun.detection import Detection, with_detections
from flowrun.frame import Frame
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import in_source, output, output_name, wrong_shape
from flowrun.hooks.support.labels import Classes, Labels, class_ids, read_labels
from flowrun.hooks.support.prototypes import mask_in_box
from flowrun.hooks.support.rotation import rotated_in_source
from flowrun.hooks.support.yolo_candidates import Candidates, best_candidates, read_candidates
from flowrun.hooks.support.yolo_layout import BOX, LayoutError, find_table
from flowrun.inference import Result, Tensor, TensorInfo

_LAYOUTS = ("auto", "v5", "v8", "end2end")
_USUAL = "output0"
_PROTOTYPES, _STACK = "prototypes: FP16 or FP32 with shape (1, m, height, width)", 4
_KEYPOINT = 3  # values: x, y, confidence


class decode_yolo:
    """Attach the detections of a YOLO model, with their `labels`.

    `output` (default: the only one, or `output0`) has one of three layouts, told apart by shape:
    (1, 4 + classes, n) without objectness (`v8`), (1, n, 5 + classes) with objectness (`v5`), or
    rows `[x0, y0, x1, y1, score, class]` after NMS, (1, n, 6), n up to 1000 (`end2end`). Set
    `layout` for (1, n, 6) with more rows, which has several meanings, and for `v8` with
    (1, n, 4 + classes). Boxes are in pixels of the model's image. Detections with a score below
    `threshold` are omitted. NMS is by class: of boxes whose IoU is above `iou`, the best one
    remains; at most `max_detections` remain in all.

    `keypoints` is the number of points (x, y, confidence) of a pose model. `masks` names the
    prototypes of a segmentation model, (1, m, height, width). With `task: obb` boxes are oriented:
    the last value is the angle. `classes` are the ids or labels to keep. `labels`: `coco`, a file,
    a list or a mapping.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.25,
        iou: float = 0.45,
        labels: Labels | None = None,
        classes: Classes | None = None,
        output: str | None = None,
        keypoints: int = 0,
        masks: str | None = None,
        layout: str = "auto",
        task: str = "auto",
        max_detections: int = 300,
    ) -> None:
        self._threshold = options.number("threshold", threshold)
        self._iou = options.number("iou", iou)
        self._names = read_labels(labels, consecutive=True)
        self._classes = class_ids(classes, self._names)
        self._output = output
        self._keypoints: int = options.integer("keypoints", keypoints, 0)
        self._masks = masks
        self._layout = options.choice("layout", layout, _LAYOUTS)
        self._oriented = options.choice("task", task, ("auto", "obb")) == "obb"
        self._limit = options.integer("max_detections", max_detections)
        if self._oriented and (self._keypoints or masks):
            options.reject("task", task, "possible together with `keypoints` or `masks`")
        if self._keypoints and masks:
            options.reject("masks", masks, "possible together with `keypoints`")
        self.reads_outputs = (output or _USUAL, *([masks] if masks else []))

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        usual = self._output is None and _USUAL in outputs
        tensor = metadata.only(outputs, _USUAL if usual else self._output)
        masks = 0
        if self._masks is not None:
            prototypes = metadata.named(outputs, self._masks)
            fits = len(prototypes.shape) == _STACK and prototypes.shape[0] in (1, metadata.ANY)
            metadata.check(prototypes, _PROTOTYPES, metadata.FLOATS, fits)
            masks = max(prototypes.shape[1], 0) if prototypes.shape else 0
        elif any(_are_prototypes(each, tensor) for each in outputs.values()):
            raise ValueError("it has prototypes, and the option `masks` does not name them")
        metadata.check(tensor, "FP16 or FP32", metadata.FLOATS, True)
        if tensor.shape:
            try:
                find_table(tensor.shape, self._layout, self._extra(masks))
            except LayoutError as error:
                metadata.check(tensor, error.expected, metadata.FLOATS, False)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        return with_detections(frame, self._found(frame, result) if result.outputs else ())

    def _found(self, frame: Frame, result: Result) -> Iterable[Detection]:
        name = self._output_name(result)
        tensor = output(result, name)
        prototypes = None if self._masks is None else _prototypes(result, self._masks)
        if tensor.size == 0:
            return
        found = self._candidates(name, tensor, 0 if prototypes is None else len(prototypes))
        boxes, angles = self._in_source(frame, found)
        for n, box in enumerate(boxes):
            if box is None:
                continue
            class_id, extra = int(found.ids[n]), found.extra[n]
            yield Detection(
                box,
                float(found.scores[n]),
                class_id,
                self._names.get(class_id),
                keypoints=_points(frame, extra) if self._keypoints else None,
                mask=None if prototypes is None else mask_in_box(frame, box, prototypes, extra),
                angle=angles[n] if self._oriented else None,
            )

    def _output_name(self, result: Result) -> str:
        if self._output is None and _USUAL in result.outputs:
            return _USUAL
        return output_name(result, self._output)

    def _candidates(self, name: str, tensor: Tensor, masks: int) -> Candidates:
        """The detections in `tensor`, the best first; `masks` is the number of prototypes."""
        if tensor.dtype.kind != "f":
            raise wrong_shape(name, tensor, "FP16 or FP32")
        try:
            table = find_table(tensor.shape, self._layout, self._extra(masks))
        except LayoutError as error:
            raise wrong_shape(name, tensor, error.expected) from None
        values = tensor.reshape(tensor.shape[-2:])
        try:
            found = read_candidates(values, table, self._threshold, oriented=self._oriented)
        except ValueError as error:
            raise ValueError(f"output {name!r} is not as expected: {error}") from None
        if self._classes is not None:
            found = found.only(np.isin(found.ids, self._classes))
        return best_candidates(found, table, self._iou, self._limit, oriented=self._oriented)

    def _extra(self, masks: int) -> int:
        """The number of values of a candidate beside its box and its scores."""
        return masks + _KEYPOINT * self._keypoints + int(self._oriented)

    def _in_source(self, frame: Frame, found: Candidates) -> tuple[list[Any], list[float]]:
        if self._oriented:
            return rotated_in_source(frame, np.hstack([found.boxes, found.extra[:, -1:]]))
        return [in_source(frame, tuple(box)) for box in found.boxes.tolist()], []


def _are_prototypes(tensor: TensorInfo, candidates: TensorInfo) -> bool:
    """Whether `tensor` may be prototypes for which `candidates` have a coefficient each."""
    if len(tensor.shape) != _STACK or tensor.datatype not in metadata.FLOATS:
        return False
    values = min((size for size in candidates.shape[1:] if size > 0), default=0)
    return tensor.shape[0] == 1 and 0 < tensor.shape[1] < values - BOX


def _points(frame: Frame, values: Any) -> tuple[tuple[float, float, float], ...]:
    """Key points in pixels of the source, also those outside its picture."""
    points = values.reshape(-1, _KEYPOINT)
    moved = frame.seen.points_to_source(points[:, :2]).tolist()
    return tuple((x, y, score) for (x, y), score in zip(moved, points[:, 2].tolist(), strict=True))


def _prototypes(result: Result, name: str) -> Any:
    """The output `name` as FP32, (m, height, width)."""
    tensor = output(result, name)
    if tensor.dtype.kind != "f" or tensor.ndim != _STACK or len(tensor) != 1:
        raise wrong_shape(name, tensor, _PROTOTYPES)
    return tensor[0].astype(np.float32, copy=False)
