"""What the picture shows, written into it."""

from __future__ import annotations

from flowrun.detection import classes_of
from flowrun.frame import Frame
from flowrun.hooks import options
from flowrun.hooks.drawing import CORNERS, panel, percent
from flowrun.inference import Result


class draw_classes:
    """Writes the first `k` classes of a frame on a copy of its picture, a line for each: its name
    (or its number where it has none) and how likely it is.

    `corner` is top-left, top-right, bottom-left or bottom-right. A frame without classes stays the
    same.
    """

    def __init__(self, k: int = 3, corner: str = "top-left") -> None:
        self._k = options.whole("k", k)
        self._corner = options.choice("corner", corner, CORNERS)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        lines = [
            f"{each.label or each.class_id} {percent(each.score)}" for each in classes_of(frame)
        ]
        if not lines:
            return frame
        image = frame.image.copy()
        panel(image, lines[: self._k], self._corner)
        return frame.with_image(image)
