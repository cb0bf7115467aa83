"""What `zones` attaches: numbers for everybody, with the shape that was counted for hooks that
draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowrun.hooks.support.geometry import Point, Points


class ZoneCount(int):
    """How many objects are in a zone; `polygon` in pixels of the source's picture."""

    polygon: Points

    @classmethod
    def of(cls, polygon: Points, count: int) -> ZoneCount:
        made = cls(count)
        made.polygon = polygon
        return made


class LineCount(dict[str, int]):
    """How many objects have crossed a line, `in` and `out`; `line` in pixels of the source's
    picture."""

    line: tuple[Point, Point]

    @classmethod
    def of(cls, line: tuple[Point, Point], totals: Mapping[Any, int]) -> LineCount:
        made = cls(totals)
        made.line = line
        return made


def counts_of(data: Mapping[str, Any]) -> dict[str, ZoneCount | LineCount]:
    """What `zones` has attached, by name."""
    return {name: v for name, v in data.items() if isinstance(v, ZoneCount | LineCount)}
