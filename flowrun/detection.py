"""Detections and classifications, in the form that all hooks and the `.jsonl` sink share.

Hooks that decode store them in `Frame.data` under `detections` and `classes`; hooks that draw read
them there, and user hooks may do both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowrun.frame import Frame
from flowrun.view import Box


@dataclass(frozen=True, slots=True)
class Detection:
    """An object, a text or another item found in a picture.

    `box`       (x0, y0, x1, y1) in pixels of the source's picture, not beyond its edges.
    `score`     0 to 1.
    `class_id`  the number of its class; `None` for a model with one class.
    `label`     the name of its class, if known.
    `text`      the recognised text, if any.
    """

    box: Box
    score: float
    class_id: int | None = None
    label: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of the whole picture: `score` 0 to 1 for the class `class_id`, called `label`."""

    class_id: int
    score: float
    label: str | None = None


def with_detections(frame: Frame, found: Iterable[Detection]) -> Frame:
    """`frame` with `found` appended to its detections."""
    return frame.attach(detections=(*detections_of(frame), *found))


def detections_of(frame: Frame) -> tuple[Detection, ...]:
    """The detections of `frame`, in the order in which hooks found them."""
    return tuple(frame.data.get("detections", ()))


def classes_of(frame: Frame) -> tuple[Classification, ...]:
    """The classes of `frame`, the most likely first."""
    return tuple(frame.data.get("classes", ()))
