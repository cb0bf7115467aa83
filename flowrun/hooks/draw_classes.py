"""Draw the classes of the image into a corner."""

from __future__ import annotations

from flowrun.detection import classes_of
from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.drawing import CORNERS, draw_panel, percent
from flowrun.inference import Result


class draw_classes:
    """Draw the first `k` classes of a frame on a copy of its image, one line each: the label (the
    class id if it has none) and the score.

    `corner` is top-left, top-right, bottom-left or bottom-right. A frame without classes is
    returned unchanged.
    """

    reads_outputs = ()

    def __init__(self, k: int = 3, corner: str = "top-left") -> None:
        self._k = options.integer("k", k)
        self._corner = options.choice("corner", corner, CORNERS)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        lines = [
            f"{each.label or each.class_id} {percent(each.score)}" for each in classes_of(frame)
        ]
        if not lines:
            return frame
        image = frame.image.copy()
        draw_panel(image, lines[: self._k], self._corner)
        return frame.with_image(image)
