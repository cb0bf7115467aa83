"""Count the objects in zones and those that cross lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flowrun.detection import Detection, detections_of
from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.counts import LineCount, ZoneCount
from flowrun.hooks.support.geometry import Point, Points, crosses_itself, inside
from flowrun.hooks.support.kinds import Kinds
from flowrun.hooks.support.labels import Classes
from flowrun.hooks.support.line_counter import LineCounter
from flowrun.inference import Result

_RESERVED = ("detections", "classes", "crossings")
_TRIANGLE = 3  # points
_MARGIN = 0.05  # of the box's mean side: farther from a line, a box does not jitter across it


class zones:
    """Attach how many objects are in each zone, and how many have crossed each line.

    `zones` are polygons, {NAME: [[x, y], …]}: under NAME the number of detections inside now.
    `lines` are {NAME: [[x0, y0], [x1, y1]]}: under NAME {"in": n, "out": n}, the totals since the
    start, of detections with a `track_id`, so that `track` must come before. `in` is from the
    line's left to its right, as one looks from its first point to its second in the picture. In the
    frame of a crossing, `crossings` has for each one `line`, `direction`, `track_id`, `class_id`
    and `label`. The point of a detection that counts is its `anchor`: bottom, the middle of the
    lower edge of its box, or center. Coordinates are pixels of the source's picture, or with
    `normalized` shares of its width and height (0 to 1). Only the `classes`, ids or labels, are
    counted; without it, all. On the edge is inside.
    """

    reads_outputs = ()

    def __init__(
        self,
        zones: Mapping[str, Any] | None = None,
        lines: Mapping[str, Any] | None = None,
        anchor: str = "bottom",
        normalized: bool = False,
        classes: Classes | None = None,
    ) -> None:
        self._normalized = options.boolean("normalized", normalized)
        self._zones = {name: self._polygon(*each) for name, each in _named("zones", zones)}
        self._lines = {name: self._line(*each) for name, each in _named("lines", lines)}
        if not self._zones and not self._lines:
            options.reject("zones", zones, "a mapping from name to points", "or give `lines`")
        for name in self._zones.keys() & self._lines.keys():
            options.reject(f"lines.{name}", name, "a new name", "a zone has the same one")
        self._counters = {name: LineCounter() for name in self._lines}
        self._bottom = options.choice("anchor", anchor, ("bottom", "center")) == "bottom"
        self._kinds = Kinds("classes", classes)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = [each for each in detections_of(frame) if each in self._kinds]
        anchors = [self._anchor(each) for each in found]
        points = np.array(anchors, float).reshape(-1, 2)
        attached: dict[str, Any] = {}
        for name, shares in self._zones.items():
            polygon = self._pixels(shares, frame)
            attached[name] = ZoneCount.of(polygon, int(inside(polygon, points).sum()))
        crossings: list[dict[str, Any]] = []
        for name, shares in self._lines.items():
            start, end = self._pixels(shares, frame)
            counter = self._counters[name]
            for each, point in zip(found, anchors, strict=True):
                if each.track_id is None:
                    continue
                direction = counter.crossed((start, end), each.track_id, point, _margin(each))
                if direction is not None:
                    crossings.append(_crossing(name, direction, each))
            attached[name] = LineCount.of((start, end), counter.totals)
        if crossings:
            attached["crossings"] = [*frame.data.get("crossings", ()), *crossings]
        return frame.attach(**attached)

    def _anchor(self, found: Detection) -> Point:
        x0, y0, x1, y1 = found.box
        return (x0 + x1) / 2, y1 if self._bottom else (y0 + y1) / 2

    def _pixels(self, points: Points, frame: Frame) -> list[Point]:
        width, height = (frame.width, frame.height) if self._normalized else (1, 1)
        return [(x * width, y * height) for x, y in points]

    def _polygon(self, key: str, value: Any) -> Points:
        points = self._points(key, value)
        if len(points) > 1 and points[0] == points[-1]:
            points.pop()  # a polygon that is written with its end
        if len(points) < _TRIANGLE:
            options.reject(key, value, "a polygon of at least three points [x, y]")
        if crosses_itself(points):
            hint = "list the points in the order in which they follow each other around the zone"
            options.reject(key, value, "a polygon whose edges do not cross", hint)
        return points

    def _line(self, key: str, value: Any) -> Points:
        points = self._points(key, value)
        if len(points) != 2 or points[0] == points[1]:  # noqa: PLR2004
            options.reject(key, value, "a line of two points, [[x0, y0], [x1, y1]]")
        return points

    def _points(self, key: str, value: Any) -> list[Point]:
        points = options.points(key, value)
        numbers = [number for point in points for number in point]
        shares = all(0 <= number <= 1 for number in numbers)
        if self._normalized and not shares:
            hint = "remove `normalized` for pixels"
            options.reject(key, value, "points from 0 to 1, as `normalized` needs", hint)
        if numbers and shares and not self._normalized:
            hint = "for shares of the width and height add `normalized: true`"
            options.reject(key, value, "points in pixels", hint)
        return points


def _named(option: str, value: Any) -> list[tuple[str, tuple[str, Any]]]:
    """(name, (key, points)) of each shape in the option."""
    if value is None:
        return []
    if not isinstance(value, Mapping):
        options.reject(option, value, "a mapping from name to points")
    for name in value:
        if not isinstance(name, str) or not name:
            options.reject(option, name, "a name", "put it in quotes")
        if name in _RESERVED:
            hint = f"{', '.join(_RESERVED)} are used by flowrun"
            options.reject(f"{option}.{name}", name, "a name for a count", hint)
    return [(name, (f"{option}.{name}", points)) for name, points in value.items()]


def _margin(found: Detection) -> float:
    x0, y0, x1, y1 = found.box
    return _MARGIN * (x1 - x0 + y1 - y0) / 2


def _crossing(line: str, direction: str, found: Detection) -> dict[str, Any]:
    kind = {"class_id": found.class_id, "label": found.label}
    return {"line": line, "direction": direction, "track_id": found.track_id, **kind}
