"""Count the tracks that cross a line."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from flowrun.hooks.support.geometry import Point, meet, side

Direction = Literal["in", "out"]

_REMEMBERED = 10_000  # tracks; those that were seen last


@dataclass(slots=True)
class _Track:
    """On which side of the line a track is: -1 left, 1 right, 0 not known yet.

    `last`   the last point on that side.
    `clear`  whether it has been farther away than the margin since it came to that side.
    """

    side: int
    last: Point
    clear: bool


class LineCounter:
    """Counts the crossings of the segment `line`, each in the frame in which it happens.

    A track that has crossed must be farther away than a margin before its next crossing counts at
    once; nearer to the line, it counts once the track is beyond the margin on the other side. So a
    box that jitters on the line counts once, and one that returns counts back.
    """

    def __init__(self) -> None:
        self.totals: dict[Direction, int] = {"in": 0, "out": 0}
        self._tracks: OrderedDict[int, _Track] = OrderedDict()

    def crossed(
        self, line: tuple[Point, Point], number: int, point: Point, margin: float
    ) -> Direction | None:
        """The direction in which the track `number`, now at `point`, crosses the line, if it
        does."""
        distance = side(line, point)
        now = (distance > 0) - (distance < 0)
        far = abs(distance) > margin
        track = self._tracks.get(number)
        if track is None:
            self._tracks[number] = _Track(now, point, far)
            if len(self._tracks) > _REMEMBERED:
                self._tracks.popitem(last=False)
            return None
        self._tracks.move_to_end(number)
        if now == 0:
            return None
        if track.side in (now, 0):
            track.side, track.last, track.clear = now, point, track.clear or far
            return None
        if not (track.clear or far):
            return None
        start = track.last
        track.side, track.last, track.clear = now, point, far
        if not meet(line, (start, point)):
            return None
        direction: Direction = "in" if now > 0 else "out"
        self.totals[direction] += 1
        return direction
