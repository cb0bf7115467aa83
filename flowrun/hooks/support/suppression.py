"""Non-maximum suppression: of detections that overlap, keep the one with the highest score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from flowrun.hooks.support.decoding import FloatArray

Indices = npt.NDArray[np.intp]
Overlaps = npt.NDArray[np.floating[Any]]
Overlap = Callable[[Indices, Indices], Overlaps]  # of each with each: (len(a), len(b)), 0 to 1

_FIRST, _BLOCK = 32, 256  # candidates that are compared at once
_TINY = 1e-9


def suppress(
    scores: FloatArray, classes: FloatArray, overlap: Overlap, threshold: float, limit: int
) -> Indices:
    """The indices of at most `limit` candidates, the highest score first: a candidate is omitted if
    it overlaps a better one of its class, which is kept, by more than `threshold`.

    The best few are compared with all others at once, which leaves little where many candidates
    are of few objects; what remains is compared in blocks, until there are `limit`.
    """
    order = np.argsort(-scores, kind="stable")
    kept = _best_of(order[:_FIRST], classes, overlap, threshold)
    order = order[_FIRST:]
    order = order[~_covers(kept, order, classes, overlap, threshold).any(axis=0)]
    first = kept
    for start in range(0, len(order), _BLOCK):
        if len(kept) >= limit:
            break
        block = order[start : start + _BLOCK]
        further = kept[len(first) :]
        block = block[~_covers(further, block, classes, overlap, threshold).any(axis=0)]
        kept = np.concatenate([kept, _best_of(block, classes, overlap, threshold)])
    return kept[:limit]


def _best_of(block: Indices, classes: FloatArray, overlap: Overlap, threshold: float) -> Indices:
    """The candidates of a block, best first, that no better one of it covers."""
    covers = np.triu(_covers(block, block, classes, overlap, threshold), 1)
    alive = np.ones(len(block), bool)
    for n in np.flatnonzero(covers.any(axis=1)):
        if alive[n]:
            alive &= ~covers[n]
    return block[alive]


def _covers(
    a: Indices, b: Indices, classes: FloatArray, overlap: Overlap, threshold: float
) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = classes[a][:, None] == classes[b]
    found &= overlap(a, b) > threshold
    return found


def intersection_over_union(boxes: FloatArray) -> Overlap:
    """The IoU of boxes (n, 4), corners x0, y0, x1, y1."""
    x0, y0, x1, y1 = boxes.T.astype(np.float32, order="C")
    areas = (x1 - x0) * (y1 - y0)

    def overlap(a: Indices, b: Indices) -> Overlaps:
        width = np.minimum(x1[a, None], x1[b]) - np.maximum(x0[a, None], x0[b])
        height = np.minimum(y1[a, None], y1[b]) - np.maximum(y0[a, None], y0[b])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        iou: Overlaps = shared / np.maximum(areas[a, None] + areas[b] - shared, _TINY)
        return iou

    return overlap


def probabilistic_iou(boxes: FloatArray) -> Overlap:
    """The ProbIoU (arXiv:2106.06072) of rotated boxes (n, 5): centre x, y, width, height, angle.

    Boxes are compared as Gaussian distributions; the models with oriented boxes are evaluated with
    it.
    """
    x, y, width, height, angle = boxes.T
    cos, sin = np.cos(angle), np.sin(angle)
    along, across = width**2 / 12, height**2 / 12
    xx = along * cos**2 + across * sin**2
    yy = along * sin**2 + across * cos**2
    xy = (along - across) * cos * sin
    spread = np.maximum(xx * yy - xy**2, 0)

    def overlap(a: Indices, b: Indices) -> Overlaps:
        dx, dy = x[a, None] - x[b], y[a, None] - y[b]
        sxx, syy, sxy = xx[a, None] + xx[b], yy[a, None] + yy[b], xy[a, None] + xy[b]
        both = np.maximum(sxx * syy - sxy**2, _TINY)
        distance = (sxx * dy**2 + syy * dx**2 - 2 * sxy * dx * dy) / both / 4
        distance += np.log(both / (4 * np.sqrt(spread[a, None] * spread[b]) + _TINY)) / 2
        iou: Overlaps = 1 - np.sqrt(1 - np.exp(-np.clip(distance, 0, 100)))
        return iou

    return overlap
