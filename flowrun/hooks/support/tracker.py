"""Follow boxes from frame to frame.

The association is that of ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by Associating
Every Detection Box", ECCV 2022): detections with a high score choose their tracks first, by the
overlap with the predicted boxes; then weaker ones may continue the tracks that remain, as a hidden
object has a low score. What then remains is compared with the boxes where tracks were last seen, as
in OC-SORT (Cao et al., "Observation-Centric SORT", CVPR 2023), for objects that have stopped or
turned since.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from flowrun.hooks.support.assignment import assign
from flowrun.hooks.support.motion import Motion

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_WEAK_IOU = 0.5  # a weak detection must fit better, as in ByteTrack


class Boxes(NamedTuple):
    """The detections of a frame: `boxes` (n, 4), `scores` (n,), `classes` (n,), any integers."""

    boxes: FloatArray
    scores: FloatArray
    classes: IntArray


class Tracker:
    """The tracks of one source. A track and its detections have the same class.

    `iou`        the overlap from which a detection may belong to a track.
    `max_age`    seconds after which a track that is not seen ends.
    `threshold`  the score from which a detection starts a track.
    """

    def __init__(self, iou: float, max_age: float, threshold: float) -> None:
        self._iou = iou
        self._max_age = max_age
        self._threshold = threshold
        self._motion = Motion()
        self._last = np.zeros((0, 4))  # the boxes where the tracks were last seen
        self._ids, self._classes = (np.zeros(0, np.intp) for _ in range(2))
        self._seen = np.zeros(0)  # when
        self._time = 0.0
        self._started = 0  # tracks so far

    def update(self, found: Boxes, time: float) -> IntArray:
        """The ids of the tracks to which the detections at `time` (seconds) belong, from 1; 0 for
        one that is too weak to start a track. All tracks end if the time steps back."""
        self._keep((time - self._seen <= self._max_age) & (time >= self._time))
        self._motion.predict(max(0.0, time - self._time))
        self._time = time
        tracks = self._associated(found)
        old = np.flatnonzero(tracks >= 0)
        if len(old):
            which = tracks[old]
            self._motion.update(which, found.boxes[old])
            self._last[which] = found.boxes[old]
            self._seen[which] = time
        new = np.flatnonzero((tracks < 0) & (found.scores >= self._threshold))
        tracks[new] = len(self._ids) + np.arange(len(new))
        self._start(found.boxes[new], found.classes[new])
        ids: IntArray = np.where(tracks >= 0, np.append(self._ids, 0)[tracks], 0)
        return ids

    def _associated(self, found: Boxes) -> IntArray:
        """For each detection the index of its track, or -1."""
        tracks = np.full(len(found.scores), -1)
        if not len(self._ids) or not len(tracks):
            return tracks
        same = found.classes[:, None] == self._classes
        predicted = overlaps(found.boxes, self._motion.boxes) * same
        strong = found.scores >= self._threshold
        self._match(tracks, strong, predicted, self._iou)
        self._match(tracks, ~strong, predicted, max(self._iou, _WEAK_IOU))
        if (tracks < 0).any():
            self._match(tracks, strong, overlaps(found.boxes, self._last) * same, self._iou)
        return tracks

    def _match(
        self, tracks: IntArray, which: npt.NDArray[np.bool_], similarity: FloatArray, minimum: float
    ) -> None:
        """Assign free tracks to the detections `which` that have none."""
        rows = np.flatnonzero(which & (tracks < 0))
        free = np.ones(len(self._ids) + 1, bool)
        free[tracks] = free[-1] = False
        columns = np.flatnonzero(free)
        if len(rows) and len(columns):
            row, column = assign(similarity[np.ix_(rows, columns)], minimum)
            tracks[rows[row]] = columns[column]

    def _start(self, boxes: FloatArray, classes: IntArray) -> None:
        count = len(boxes)
        if not count:
            return
        self._motion.add(boxes)
        self._last = np.concatenate([self._last, boxes])
        self._ids = np.append(self._ids, self._started + 1 + np.arange(count))
        self._classes = np.append(self._classes, classes)
        self._seen = np.append(self._seen, np.full(count, self._time))
        self._started += count

    def _keep(self, which: npt.NDArray[np.bool_]) -> None:
        if not which.all():
            self._motion.keep(which)
            self._last = self._last[which]
            self._ids, self._classes = self._ids[which], self._classes[which]
            self._seen = self._seen[which]


def overlaps(boxes: FloatArray, others: FloatArray) -> FloatArray:
    """Intersection over union of boxes (n, 4) with others (m, 4): (n, m)."""
    shared = _shared(boxes, others, 0)
    shared *= _shared(boxes, others, 1)
    union = _areas(boxes)[:, None] + _areas(others) - shared
    iou: FloatArray = shared / np.maximum(union, np.finfo(float).tiny)
    return iou


def _shared(boxes: FloatArray, others: FloatArray, axis: int) -> FloatArray:
    """How long the boxes overlap along one axis, (n, m)."""
    end = np.minimum(boxes[:, None, axis + 2], others[:, axis + 2])
    end -= np.maximum(boxes[:, None, axis], others[:, axis])
    length: FloatArray = np.maximum(end, 0, out=end)
    return length


def _areas(boxes: FloatArray) -> FloatArray:
    areas: FloatArray = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    return areas
