"""Give detections the ids of their tracks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from flowrun.detection import detections_of
from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.tracker import Boxes, Tracker
from flowrun.inference import Result


class track:
    """Set `track_id` of the detections: the same number for the same object in all frames.

    Ids start at 1 and are never used again. A detection with a score of at least `threshold` gets
    one in its first frame; a weaker one only if it continues a track. `iou` is the overlap with the
    predicted box from which a detection may belong to a track, `max_age` the time of the source
    (`1s`, or a number of seconds) after which a track that is not seen ends. Only detections of one
    class share a track. If the time of the source steps back, all tracks end.
    """

    reads_outputs = ()

    def __init__(
        self, iou: float = 0.3, max_age: str | float = "1s", threshold: float = 0.25
    ) -> None:
        self._tracker = Tracker(
            options.share("iou", iou),
            options.duration("max_age", max_age),
            options.number("threshold", threshold),
        )
        self._classes: dict[Any, int] = {}

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = detections_of(frame)
        kinds = [each.label if each.class_id is None else each.class_id for each in found]
        boxes = Boxes(
            np.array([each.box for each in found], float).reshape(-1, 4),
            np.array([each.score for each in found], float),
            np.array([self._classes.setdefault(k, len(self._classes)) for k in kinds], np.intp),
        )
        ids = self._tracker.update(boxes, frame.time).tolist()
        if not found:
            return frame
        tracked = [replace(each, track_id=n or None) for each, n in zip(found, ids, strict=True)]
        return frame.attach(detections=tuple(tracked))
