"""What was read, where it was read."""

from __future__ import annotations

from flowrun.detection import detections_of
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.drawing import line_width, outline, tag
from flowrun.image.text import Color
from flowrun.inference import Result

_GREEN: Color = (50, 205, 50)  # as much red as blue: the same in RGB and in BGR


class draw_texts:
    """Draws the detections of a frame on a copy of its picture: a box, and above it the text that
    was recognised, if any.

    `thickness` is that of the box in pixels; without it, it goes by the height of the picture. A
    frame without detections stays the same.
    """

    def __init__(self, thickness: int | None = None) -> None:
        self._thickness = options.thickness("thickness", thickness)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = detections_of(frame)
        if not found:
            return frame
        image = frame.image.copy()
        for each in found:
            outline(image, each.box, _GREEN, self._thickness or line_width(image))
        for each in found:  # above all boxes
            if each.text:
                tag(image, each.text, each.box, _GREEN)
        return frame.with_image(image)
