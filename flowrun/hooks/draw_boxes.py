"""Draw detections as boxes with labels."""

from __future__ import annotations

from zlib import crc32

from flowrun.detection import Detection, detections_of
from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.drawing import draw_boxes_with_labels, percent
from flowrun.image.text import Color
from flowrun.inference import Result

# RGB; distinct on light and dark images.
_PALETTE: tuple[Color, ...] = (
    (60, 220, 80), (255, 150, 30), (60, 160, 255), (240, 80, 170), (250, 220, 50), (40, 210, 210),
    (230, 60, 50), (165, 110, 245), (170, 220, 120), (255, 165, 165), (130, 200, 255),
    (190, 145, 90),
)  # fmt: skip


class draw_boxes:
    """Draw the detections of a frame on a copy of its image, one color per class.

    Above each box stand its label (`labels`; the class id if it has none) and its score (`scores`).
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
        self._reverse = options.choice("color", color, ("rgb", "bgr")) == "bgr"

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = [each for each in detections_of(frame) if each.score >= self._min_score]
        if not found:
            return frame
        image = frame.image.copy()
        boxes = [(each.box, self._color_of(each), self._text(each)) for each in found]
        draw_boxes_with_labels(image, boxes, self._thickness)
        return frame.with_image(image)

    def _color_of(self, found: Detection) -> Color:
        number = crc32((found.label or "").encode()) if found.class_id is None else found.class_id
        red, green, blue = _PALETTE[number % len(_PALETTE)]
        return (blue, green, red) if self._reverse else (red, green, blue)

    def _text(self, found: Detection) -> str:
        name = found.label or ("" if found.class_id is None else str(found.class_id))
        parts = [name if self._labels else "", percent(found.score) if self._scores else ""]
        return " ".join(filter(None, parts))
