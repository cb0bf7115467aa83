"""Read the candidates of a YOLO output that reach the threshold."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from flowrun.hooks.support.decoding import FloatArray
from flowrun.hooks.support.suppression import intersection_over_union, probabilistic_iou, suppress
from flowrun.hooks.support.yolo_layout import BOX, Table
from flowrun.inference import Tensor

_HIGHEST = 1.01  # of a score; in half precision it may be a little above 1


class Candidates(NamedTuple):
    """`boxes` (n, 4) are corners, or centre, width and height of oriented boxes; `scores` and `ids`
    are (n,); `extra` (n, m) are the values beside box and scores."""

    boxes: FloatArray
    scores: FloatArray
    ids: FloatArray
    extra: FloatArray

    def only(self, chosen: npt.NDArray[Any]) -> Candidates:
        """Those that an index or a mask chooses."""
        return Candidates(*(values[chosen] for values in self))


def read_candidates(
    values: Tensor, table: Table, threshold: float, *, oriented: bool
) -> Candidates:
    """The candidates of a table (two dimensions) with a score of at least `threshold`, an area, and
    finite values. Raises `ValueError` if the scores are none."""
    if table.transposed:
        values = values.T
    rows, scores, ids = _READ[table.layout](values, table.classes, threshold)
    finite = np.isfinite(rows).all(axis=1)
    rows, scores, ids = rows[finite], scores[finite], ids[finite]
    if scores.size and scores.max() > _HIGHEST:
        raise ValueError(
            f"it has scores up to {scores.max():.4g}, expected 0 to 1: are these values of key"
            " points, masks or angles (options `keypoints`, `masks`, `task`), or is it another"
            " `layout`?"
        )
    boxes = rows[:, :BOX].astype(np.float64)
    if table.layout != "end2end" and not oriented:
        centers, sides = boxes[:, :2], boxes[:, 2:] / 2
        boxes = np.hstack([centers - sides, centers + sides])
    first = BOX + 2 if table.layout == "end2end" else BOX + (table.layout == "v5") + table.classes
    area = boxes[:, 2:] > (0 if oriented else boxes[:, :2])
    found = Candidates(boxes, scores, ids, rows[:, first:].astype(np.float64))
    return found.only(area.all(axis=1))


def _read_v8(
    values: Tensor, classes: int, threshold: float
) -> tuple[Tensor, FloatArray, FloatArray]:
    chosen = np.flatnonzero(_single(values[:, BOX : BOX + classes]).max(axis=1) >= threshold)
    rows = _single(values[chosen])
    return rows, *_best(rows[:, BOX : BOX + classes])


def _read_v5(
    values: Tensor, classes: int, threshold: float
) -> tuple[Tensor, FloatArray, FloatArray]:
    rows = _single(values[np.flatnonzero(values[:, BOX] >= threshold)])
    scores, ids = _best(rows[:, BOX + 1 : BOX + 1 + classes])
    scores = scores * rows[:, BOX]
    chosen = scores >= threshold
    return rows[chosen], scores[chosen], ids[chosen]


def _read_end2end(
    values: Tensor, _: int, threshold: float
) -> tuple[Tensor, FloatArray, FloatArray]:
    rows = _single(values[np.flatnonzero(values[:, BOX] >= threshold)])
    return rows, rows[:, BOX].astype(np.float64), rows[:, BOX + 1].astype(np.float64)


_READ = {"v8": _read_v8, "v5": _read_v5, "end2end": _read_end2end}


def _best(scores: Tensor) -> tuple[FloatArray, FloatArray]:
    """The highest score of each row, and its class."""
    ids = scores.argmax(axis=1)
    return scores[np.arange(len(ids)), ids].astype(np.float64), ids.astype(np.float64)


def _single(values: Tensor) -> Tensor:
    """As FP32: numpy computes with FP16 several times as slowly."""
    return values.astype(np.float32, copy=False)


def best_candidates(
    found: Candidates, table: Table, iou: float, limit: int, *, oriented: bool
) -> Candidates:
    """At most `limit` candidates, the highest score first, after NMS by class where the model has
    none."""
    if table.layout == "end2end":
        return found.only(np.argsort(-found.scores, kind="stable")[:limit])
    overlap = (
        probabilistic_iou(np.hstack([found.boxes, found.extra[:, -1:]]))
        if oriented
        else intersection_over_union(found.boxes)
    )
    return found.only(suppress(found.scores, found.ids, overlap, iou, limit))
