"""What was found, in boxes."""

from __future__ import annotations

from zlib import crc32

from flowrun.detection import Detection, detections_of
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.drawing import line_width, outline, percent, tag
from flowrun.image.text import Color
from flowrun.inference import Result

# Told apart on light and dark pictures alike. RGB.
_PALETTE: tuple[Color, ...] = (
    (60, 220, 80), (255, 150, 30), (60, 160, 255), (240, 80, 170), (250, 220, 50), (40, 210, 210),
    (230, 60, 50), (165, 110, 245), (170, 220, 120), (255, 165, 165), (130, 200, 255),
    (190, 145, 90),
)  # fmt: skip


class draw_boxes:
    """Draws the detections of a frame on a copy of its picture, a colour for each class.

    Each has a box and above it what it is (`labels`; the class's number where it has no name) and
    how likely (`scores`). Those below `min_score` are left out. `thickness` is that of the box in
    pixels; without it, it goes by the height of the picture. `color` is the source's, rgb or bgr.
    A frame without detections stays the same.
    """

    def __init__(
        self,
        thickness: int | None = None,
        labels: bool = True,
        scores: bool = True,
        min_score: float = 0.0,
        color: str = "rgb",
    ) -> None:
        self._thickness = options.thickness("thickness", thickness)
        self._labels = options.truth("labels", labels)
        self._scores = options.truth("scores", scores)
        self._min_score = options.number("min_score", min_score)
        self._reverse = options.choice("color", color, ("rgb", "bgr")) == "bgr"

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = [each for each in detections_of(frame) if each.score >= self._min_score]
        if not found:
            return frame
        image = frame.image.copy()
        thickness = self._thickness or line_width(image)
        for each in found:
            outline(image, each.box, self._color_of(each), thickness)
        for each in found:  # above all boxes
            if text := self._text(each):
                tag(image, text, each.box, self._color_of(each))
        return frame.with_image(image)

    def _color_of(self, found: Detection) -> Color:
        number = crc32((found.label or "").encode()) if found.class_id is None else found.class_id
        red, green, blue = _PALETTE[number % len(_PALETTE)]
        return (blue, green, red) if self._reverse else (red, green, blue)

    def _text(self, found: Detection) -> str:
        name = found.label or ("" if found.class_id is None else str(found.class_id))
        parts = [name if self._labels else "", percent(found.score) if self._scores else ""]
        return " ".join(filter(None, parts))
