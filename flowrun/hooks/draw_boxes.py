"""Draw detections as boxes with labels."""

from __future__ import annotations

from flowrun.detection import Detection, detections_of
from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.drawing import LabelledBox, draw_boxes_with_labels, percent
from flowrun.hooks.support.palette import color_of
from flowrun.inference import Result


class draw_boxes:
    """Draw the detections of a frame on a copy of its image, one color per track or, without
    tracks, per class.

    Above each box stand the id of its track and its label (`labels`; the class id if it has none),
    and its score (`scores`): `#7 person 93 %`.
    Detections below `min_score` are omitted. `thickness` is the line width in pixels (default: by
    the height of the image). `color` is the source's, rgb or bgr. A frame without detections is
    returned unchanged.
    """

    reads_outputs = ()

    def __init__(
        self,
        thickness: int | None = None,
        labels: bool = True,
        scores: bool = True,
        min_score: float = 0.0,
        color: str = "rgb",
    ) -> None:
        self._thickness = options.thickness("thickness", thickness)
        self._labels = options.boolean("labels", labels)
        self._scores = options.boolean("scores", scores)
        self._min_score = options.number("min_score", min_score)
        self._bgr = options.choice("color", color, ("rgb", "bgr")) == "bgr"

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = [each for each in detections_of(frame) if each.score >= self._min_score]
        if not found:
            return frame
        image = frame.image.copy()
        boxes = [
            LabelledBox(each.box, color_of(each, bgr=self._bgr), self._text(each), each.angle)
            for each in found
        ]
        draw_boxes_with_labels(image, boxes, self._thickness)
        return frame.with_image(image)

    def _text(self, found: Detection) -> str:
        name = found.label or ("" if found.class_id is None else str(found.class_id))
        number = "" if found.track_id is None else f"#{found.track_id}"
        parts = [number, name] if self._labels else []
        parts += [percent(found.score)] if self._scores else []
        return " ".join(filter(None, parts))
