"""What a model has found in a picture, in the form that all hooks and the `.jsonl` sink share.

Hooks that decode put them under `detections` and `classes` into `Frame.data`; hooks that draw take
them from there, and so may a user's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowrun.frame import Frame
from flowrun.view import Box


@dataclass(frozen=True, slots=True)
class Detection:
    """Something at a place.

    `box`       (x0, y0, x1, y1) in pixels of the source's picture, not beyond its edges.
    `score`     0 to 1.
    `class_id`  the model's number for what it is; `None` for a model with one class.
    `label`     its name, if it is known.
    `text`      what is written there, if it was read.
    """

    box: Box
    score: float
    class_id: int | None = None
    label: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """What the picture as a whole is: `score` 0 to 1 for the class `class_id`, called `label`."""

    class_id: int
    score: float
    label: str | None = None


def with_detections(frame: Frame, found: Iterable[Detection]) -> Frame:
    """`frame` with `found` behind the detections that it has."""
    return frame.attach(detections=(*detections_of(frame), *found))


def detections_of(frame: Frame) -> tuple[Detection, ...]:
    """The detections of `frame`, in the order in which hooks found them."""
    return tuple(frame.data.get("detections", ()))


def classes_of(frame: Frame) -> tuple[Classification, ...]:
    """The classes of `frame`, the most likely first."""
    return tuple(frame.data.get("classes", ()))
