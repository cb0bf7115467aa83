"""Count the people in a region of the image: two hooks, and a model to try them with."""

from __future__ import annotations

from typing import Any, TextIO

import numpy as np

from flowrun import Frame, Result
from flowrun.detection import detections_of


class Zone:
    """Crop the image for the model: `left`, `top`, `right` and `bottom` are fractions of its width
    and height, 0 to 1."""

    def __init__(
        self, *, left: float = 0.0, top: float = 0.0, right: float = 1.0, bottom: float = 1.0
    ) -> None:
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(
                f"left {left}, top {top}, right {right}, bottom {bottom} is not a region:"
                " expected left < right and top < bottom, all from 0 to 1"
            )
        self.left, self.top, self.right, self.bottom = left, top, right, bottom

    def __call__(self, frame: Frame) -> Frame:
        x, y = int(self.left * frame.width), int(self.top * frame.height)
        width = max(1, round(self.right * frame.width) - x)
        height = max(1, round(self.bottom * frame.height) - y)
        part = frame.image[y : y + height, x : x + width]
        return frame.with_image(part, frame.seen.cut(x, y, width, height))


class PeopleCounter:
    """Attach the number of `people` and of those that have `entered` so far, and write the time of
    each entry, in seconds, to the file `journal`.

    A person is a detection with the label `label`, from a decoding hook before this one.
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
    """Detect the moving edge of flowrun's test pattern as a person, with the output of an SSD
    detector: rows [image, label, confidence, x0, y0, x1, y1], fractions of the image."""
    steps = np.diff(image[-1, :, 0].astype(int))
    at = (1 + steps.argmin()) / image.shape[1]
    confidence = 0.9 if steps.min() < -128 else 0.1
    rows = [[0, 1, confidence, at - 0.05, 0.2, at + 0.05, 0.9]]
    return np.array([[rows]], np.float32)


stand_in.outputs = "detection_out"  # type: ignore[attr-defined]
