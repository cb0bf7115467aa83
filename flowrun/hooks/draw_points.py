"""Draw the keypoints of detections, and the lines between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowrun.detection import Detection, detections_of
from flowrun.frame import Frame, Image
from flowrun.hooks.support import options
from flowrun.hooks.support.palette import color_of
from flowrun.hooks.support.strokes import draw_disc, draw_line
from flowrun.inference import Result

Pairs = tuple[tuple[int, int], ...]

_COCO_POINTS = 17
_COCO: Pairs = (
    (0, 1), (0, 2), (1, 3), (2, 4),  # nose, eyes, ears
    (3, 5), (4, 6), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10),  # shoulders, elbows, wrists
    (5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16),  # hips, knees, ankles
)  # fmt: skip
_PAIR = 2


class draw_points:
    """Draw the keypoints of the detections on a copy of the image, and the lines of a skeleton.

    `skeleton` is `coco`, pairs of points such as [[0, 1], [1, 2]] (numbers from 0), or `[]` for no
    lines; by default it is `coco` for detections of 17 points. Points with a score below
    `min_score` are omitted, with their lines. `radius` is in pixels (default: by the height of the
    image). `color` is the source's, rgb or bgr. A frame without keypoints is returned unchanged.
    """

    reads_outputs = ()

    def __init__(
        self,
        radius: int | None = None,
        skeleton: str | Sequence[Sequence[int]] | None = None,
        min_score: float = 0.3,
        color: str = "rgb",
    ) -> None:
        self._radius = None if radius is None else options.integer("radius", radius)
        self._skeleton = None if skeleton is None else _pairs(skeleton)
        self._min_score = options.number("min_score", min_score)
        self._bgr = options.choice("color", color, ("rgb", "bgr")) == "bgr"

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = [each for each in detections_of(frame) if each.keypoints]
        if not found:
            return frame
        image = frame.image.copy()
        for each in found:
            self._draw(image, each)
        return frame.with_image(image)

    def _draw(self, image: Image, found: Detection) -> None:
        points = found.keypoints or ()
        radius = self._radius or max(2, round(image.shape[0] / 160))
        color = color_of(found, bgr=self._bgr)
        for first, second in self._lines(len(points)):
            ends = points[first], points[second]
            if all(score >= self._min_score for _, _, score in ends):
                draw_line(image, tuple((x, y) for x, y, _ in ends), color, radius)
        for x, y, score in points:
            if score >= self._min_score:
                draw_disc(image, (x, y), radius, color)

    def _lines(self, count: int) -> Pairs:
        """The skeleton for `count` points. Raises `ValueError` if it has others."""
        if self._skeleton is None:
            return _COCO if count == _COCO_POINTS else ()
        last = max((number for pair in self._skeleton for number in pair), default=0)
        if last >= count:
            raise ValueError(f"the skeleton has a point {last}, the detection {count}, from 0 on")
        return self._skeleton


def _pairs(skeleton: Any) -> Pairs:
    expected, hint = "`coco` or pairs of points", "such as [[0, 1], [1, 2]]"
    if skeleton == "coco":
        return _COCO
    if not isinstance(skeleton, (list, tuple)):
        options.reject("skeleton", skeleton, expected, hint)
    pairs = []
    for pair in skeleton:
        if not isinstance(pair, (list, tuple)) or len(pair) != _PAIR:
            options.reject("skeleton", skeleton, expected, hint)
        first, second = (options.integer("skeleton", number, 0) for number in pair)
        pairs.append((first, second))
    return tuple(pairs)
