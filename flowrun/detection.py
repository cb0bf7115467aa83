"""Detections and classifications, in the form that all hooks and the `.jsonl` sink share.

Hooks that decode store them in `Frame.data` under `detections` and `classes`; hooks that draw read
them there, and user hooks may do both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from flowrun.foreign import type_name
from flowrun.frame import Frame
from flowrun.view import Box

Keypoint = tuple[float, float, float]  # x, y in pixels of the source's picture, score from 0 to 1


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """The pixels of the source's picture that belong to a detection.

    `pixels`         bool, (rows, columns): a part of the picture, outside which no pixel belongs
                     to the detection.
    `left`, `top`    the column and the row of the picture where that part starts.
    `width`, `height`  the size of the picture.
    """

    pixels: npt.NDArray[np.bool_]
    left: int
    top: int
    width: int
    height: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.width, self.height))

    def to_json(self) -> dict[str, list[int]]:
        """COCO's uncompressed run lengths of the whole picture: `size` is [height, width], `counts`
        the lengths of alternating runs of 0 and 1, down the columns, the first one of 0."""
        padded = np.pad(self.pixels, ((1, 1), (0, 0))).T.astype(np.int8)
        column, row = np.nonzero(np.diff(padded, axis=1))  # starts and ends of runs, alternating
        edges = (self.left + column) * self.height + self.top + row
        starts, ends = edges[::2], edges[1::2]
        joined = np.flatnonzero(starts[1:] == ends[:-1])  # a run to the next column's first row
        edges = np.stack([np.delete(starts, joined + 1), np.delete(ends, joined)], axis=1).ravel()
        counts = np.diff(edges, prepend=0, append=self.width * self.height)
        if counts[-1] == 0:
            counts = counts[:-1]
        return {"size": [self.height, self.width], "counts": counts.tolist()}


@dataclass(frozen=True, slots=True)
class Detection:
    """An object, a text or another item found in a picture.

    `box`       (x0, y0, x1, y1) in pixels of the source's picture, not beyond its edges.
    `score`     0 to 1.
    `class_id`  the number of its class; `None` for a model with one class.
    `label`     the name of its class, if known.
    `text`      the recognised text, if any.
    `keypoints` the named points of the object in the model's order, also those outside the picture.
    `mask`      its pixels, inside `box`.
    `track_id`  the number that it keeps in all frames of the run, from 1, never used again.
    `angle`     radians by which `box` is rotated clockwise, as seen in the picture, around its
                centre. A rotated box may extend beyond the edges.
    """

    box: Box
    score: float
    class_id: int | None = None
    label: str | None = None
    text: str | None = None
    keypoints: tuple[Keypoint, ...] | None = None
    mask: Mask | None = None
    track_id: int | None = None
    angle: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields by name, without those of `_OPTIONAL` that are `None`."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: v for k, v in values.items() if v is not None or k not in _OPTIONAL}


_OPTIONAL = ("keypoints", "mask", "track_id", "angle")


@dataclass(frozen=True, slots=True)
class Classification:
    """The class of the whole picture: `score` 0 to 1 for the class `class_id`, called `label`."""

    class_id: int
    score: float
    label: str | None = None


_Found = TypeVar("_Found", Detection, Classification)


def with_detections(frame: Frame, found: Iterable[Detection]) -> Frame:
    """`frame` with `found` appended to its detections."""
    return frame.attach(detections=(*detections_of(frame), *found))


def detections_of(frame: Frame) -> tuple[Detection, ...]:
    """The detections of `frame`, in the order in which hooks found them. Raises `TypeError` if a
    hook attached anything else under that name."""
    return _attached(frame, "detections", Detection)


def classes_of(frame: Frame) -> tuple[Classification, ...]:
    """The classes of `frame`, the most likely first. Raises `TypeError` if a hook attached anything
    else under that name."""
    return _attached(frame, "classes", Classification)


def _attached(frame: Frame, name: str, kind: type[_Found]) -> tuple[_Found, ...]:
    found = frame.data.get(name, ())
    is_one = isinstance(found, str | bytes) or not isinstance(found, Iterable)
    items = (found,) if is_one else tuple(found)
    for item in items:
        if not isinstance(item, kind):
            what = type_name(found) if is_one else f"{type_name(found)} with a {type_name(item)}"
            raise TypeError(
                f"a hook attached `{name}` as {what}, expected a list of flowrun.{kind.__name__}"
            )
    return items
