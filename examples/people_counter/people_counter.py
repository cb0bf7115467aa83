"""Counts the people in a part of the picture: two hooks, and a model to try them with."""

from __future__ import annotations

from typing import Any, TextIO

import numpy as np

from flowrun import Frame, Result
from flowrun.detection import detections_of


class Zone:
    """Shows the model a part of the picture only: `left`, `top`, `right` and `bottom` are shares of
    its width and height, 0 to 1."""

    def __init__(
        self, *, left: float = 0.0, top: float = 0.0, right: float = 1.0, bottom: float = 1.0
    ) -> None:
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(
                f"left {left}, top {top}, right {right}, bottom {bottom} is no part of a picture:"
                " left < right and top < bottom, all from 0 to 1"
            )
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    def __call__(self, frame: Frame) -> Frame:
        x, y = int(self.left * frame.width), int(self.top * frame.height)
        width = max(1, round(self.right * frame.width) - x)
        height = max(1, round(self.bottom * frame.height) - y)
        part = frame.image[y : y + height, x : x + width]
        return frame.with_image(part, frame.seen.cut(x, y, width, height))


class PeopleCounter:
    """Attaches how many `people` there are and how many have `entered` so far, and writes into the
    file `journal` when they did, in seconds.

    A person is a detection with the label `label`; a hook in front of this one decodes them.
    """

    def __init__(self, *, label: str = "person", journal: str | None = None) -> None:
        self.label = label
        self.people = self.entered = 0
        self.journal: TextIO | None = open(journal, "w", encoding="utf-8") if journal else None  # noqa: SIM115

    def __call__(self, frame: Frame, result: Result) -> Frame:
        people = sum(found.label == self.label for found in detections_of(frame))
        for _ in range(people - self.people):
            self.entered += 1
            if self.journal:
                self.journal.write(f"{frame.time:.3f}\n")
        self.people = people
        return frame.attach(people=people, entered=self.entered)

    def close(self) -> None:
        if self.journal:
            self.journal.close()


def stand_in(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Takes the edge that walks through flowrun's test pattern for a person, and answers as an SSD
    detector does: rows [image, label, confidence, x0, y0, x1, y1], shares of the picture."""
    steps = np.diff(image[-1, :, 0].astype(int))
    at = (1 + steps.argmin()) / image.shape[1]
    confidence = 0.9 if steps.min() < -128 else 0.1
    rows = [[0, 1, confidence, at - 0.05, 0.2, at + 0.05, 0.9]]
    return np.array([[rows]], np.float32)


stand_in.outputs = "detection_out"  # type: ignore[attr-defined]
