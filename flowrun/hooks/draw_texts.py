"""Draw recognized texts with their boxes."""

from __future__ import annotations

from flowrun.detection import detections_of
from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.drawing import LabelledBox, draw_boxes_with_labels
from flowrun.image.text import Color
from flowrun.inference import Result

_GREEN: Color = (50, 205, 50)  # as much red as blue: the same in RGB and in BGR


class draw_texts:
    """Draw the detections of a frame on a copy of its image: a box, and above it the recognized
    text, if any.

    `thickness` is the line width in pixels (default: by the height of the image). A frame without
    detections is returned unchanged.
    """

    reads_outputs = ()

    def __init__(self, thickness: int | None = None) -> None:
        self._thickness = options.thickness("thickness", thickness)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = detections_of(frame)
        if not found:
            return frame
        image = frame.image.copy()
        boxes = [LabelledBox(each.box, _GREEN, each.text or "", each.angle) for each in found]
        draw_boxes_with_labels(image, boxes, self._thickness)
        return frame.with_image(image)
