"""Objects in zones, and those that cross lines."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowrun.detection import Detection, with_detections
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.support.geometry import Point, meet, side
from flowrun.hooks.track import track
from flowrun.hooks.zones import zones
from flowrun.inference import Result
from flowrun.media.lines.json_value import to_json_value

EMPTY = Result({})
WIDTH, HEIGHT = 640, 360
IMAGE = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
DOWN = {"door": [[100, 200], [500, 200]]}  # to the right, so that down is in
YARD = [[100, 100], [300, 100], [300, 300], [100, 300]]


def standing(x: float, y: float, number: int | None = 1, **more: Any) -> Detection:
    """A detection of 40x80 pixels with its feet at (x, y)."""
    return Detection((x - 20, y - 80, x + 20, y), 0.9, track_id=number, **more)


def counted(hook: zones, *found: Detection) -> dict[str, Any]:
    frame = with_detections(Frame(IMAGE, 0, 0.0, 0.0, 0.0), found)
    data = to_json_value(hook(frame, EMPTY).data)
    assert isinstance(data, dict)
    del data["detections"]
    return data


def walked(hook: zones, path: Iterable[Point], number: int = 1) -> list[str]:
    """The directions in which a track crosses lines on its way."""
    found = []
    for x, y in path:
        for each in counted(hook, standing(x, y, number)).get("crossings", ()):
            assert each["track_id"] == number
            found.append(each["direction"])
    return found


def test_a_zone_has_the_number_of_feet_inside() -> None:
    hook = zones(zones={"yard": YARD, "sky": [[0, 0], [640, 0], [640, 90]]})
    found = [standing(150, 150), standing(150, 310, 2), standing(299, 299, None)]
    assert counted(hook, *found) == {"yard": 2, "sky": 0}
    assert counted(hook) == {"yard": 0, "sky": 0}


def test_the_anchor_may_be_the_center() -> None:
    hook = zones(zones={"yard": YARD}, anchor="center")
    assert counted(hook, standing(150, 330), standing(150, 130)) == {"yard": 1}


def test_someone_at_the_edge_of_the_picture_is_in_a_zone_that_ends_there() -> None:
    hook = zones(zones={"floor": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}, normalized=True)
    assert counted(hook, standing(320, HEIGHT), standing(WIDTH - 20, HEIGHT)) == {"floor": 2}
    assert counted(hook, standing(320, HEIGHT / 2 - 1)) == {"floor": 0}


def test_a_polygon_may_end_with_its_first_point() -> None:
    assert counted(zones(zones={"yard": [*YARD, YARD[0]]}), standing(150, 150)) == {"yard": 1}


def test_only_the_classes_are_counted() -> None:
    found = [standing(150, 150, class_id=0, label="person"), standing(150, 150, 2, class_id=7)]
    cases: list[tuple[Any, int]]
    cases = [(None, 2), ("person", 1), ([7], 1), (7, 1), (["person", 7], 2), (["dog"], 0)]
    for classes, number in cases:
        assert counted(zones(zones={"yard": YARD}, classes=classes), *found) == {"yard": number}


def test_a_line_counts_both_directions_in_the_frame_of_the_crossing() -> None:
    hook = zones(lines=DOWN)
    person = {"track_id": 1, "class_id": None, "label": None, "line": "door"}
    steps: list[tuple[float, str | None, int, int]] = [
        (180, None, 0, 0), (195, None, 0, 0), (205, "in", 1, 0), (240, None, 1, 0),
        (190, "out", 1, 1), (150, None, 1, 1), (300, "in", 2, 1),
    ]  # fmt: skip
    for y, direction, into, out in steps:
        data = counted(hook, standing(300, y))
        assert data.pop("door") == {"in": into, "out": out}
        expected = {"crossings": [{**person, "direction": direction}]} if direction else {}
        assert data == expected


def test_in_is_from_the_left_to_the_right_of_the_line() -> None:
    for line, path, direction in (
        ([[100, 200], [500, 200]], ((300, 150), (300, 250)), "in"),  # looking right: down
        ([[500, 200], [100, 200]], ((300, 150), (300, 250)), "out"),
        ([[300, 300], [300, 100]], ((250, 200), (350, 200)), "in"),  # looking up: to the right
        ([[300, 100], [300, 300]], ((250, 200), (350, 200)), "out"),
    ):
        assert walked(zones(lines={"door": line}), path) == [direction]


def test_someone_who_passes_beside_the_line_is_not_counted() -> None:
    assert walked(zones(lines=DOWN), [(50, 150), (50, 250), (300, 260)]) == []
    hook = zones(lines=DOWN)
    assert walked(hook, [(50, 150), (50, 250), (300, 250), (300, 150)]) == ["out"]


def test_a_crossing_during_missed_frames_is_counted() -> None:
    assert walked(zones(lines=DOWN), [(300, 100), (320, 330)]) == ["in"]


@pytest.mark.parametrize("jitter", [(1, -1, 2, -2, 1), (0, 1, -1, 0, 2), (-1, 1, -1, 1, -2, 2)])
def test_a_box_that_jitters_on_the_line_counts_once(jitter: tuple[int, ...]) -> None:
    """And not at all if it leaves on the side from which it came, but for a first one that is
    taken back."""
    before, on = [(300, 150), (300, 190)], [(300, 200 + d) for d in jitter]
    assert walked(zones(lines=DOWN), [*before, *on, (300, 250)]) == ["in"]
    returned = walked(zones(lines=DOWN), [*before, *on, (300, 150)])
    assert returned in ([], ["in", "out"])


def test_someone_who_appears_on_the_line_and_stays_there_is_not_counted() -> None:
    hook = zones(lines=DOWN)
    assert walked(hook, [(300, 200 + d) for d in (0, 1, -1, 2, -2, 0, 1, -1)]) == []
    assert walked(hook, [(300, 250)]) in ([], ["in"])


def test_detections_without_a_track_do_not_cross_lines() -> None:
    hook = zones(lines=DOWN)
    for y in (150, 250):
        assert counted(hook, standing(300, y, None)) == {"door": {"in": 0, "out": 0}}


def test_the_crossings_of_several_hooks_are_joined() -> None:
    frame = Frame(IMAGE, 0, 0.0, 0.0, 0.0)
    one, other = zones(lines=DOWN), zones(lines={"gate": [[500, 210], [100, 210]]})
    for y in (150, 250):
        frame = other(
            one(with_detections(Frame(IMAGE, 0, 0.0, 0.0, 0.0), [standing(300, y)]), EMPTY), EMPTY
        )
    assert [(c["line"], c["direction"]) for c in frame.data["crossings"]] == [
        ("door", "in"),
        ("gate", "out"),
    ]


def test_tracked_people_who_walk_both_ways_are_counted_right() -> None:
    """Five walk down and three up, with noise and missed frames; two of them meet on the line."""
    random, follow, hook = np.random.default_rng(5), track(), zones(lines=DOWN)
    people = [(120 + 80 * n, 60.0 + 9 * n, 4.0) for n in range(5)]
    people += [(150 + 80 * n, 340.0 - 7 * n, -4.0) for n in range(3)]
    data: dict[str, Any] = {}
    events = 0
    for step in range(60):
        found = [
            standing(x + random.uniform(-1, 1), y + speed * step + random.uniform(-1, 1), None)
            for x, y, speed in people
            if random.random() > 0.15 and 0 < y + speed * step < HEIGHT
        ]
        frame = with_detections(Frame(IMAGE, step, step / 25, 0.0, 0.0), found)
        data = dict(hook(follow(frame, EMPTY), EMPTY).data)
        events += len(data.get("crossings", ()))
    assert data["door"] == {"in": 5, "out": 3}
    assert events == 8


coordinate = st.integers(5, 355)
point: Any = st.tuples(coordinate, coordinate)
line_and_path = (point, point, st.lists(point, min_size=2, max_size=6))


@given(*line_and_path)
def test_reversing_or_mirroring_a_line_swaps_in_and_out(
    start: Point, end: Point, path: list[Point]
) -> None:
    assume(start != end)
    swap = {"in": "out", "out": "in"}
    there = walked(zones(lines={"l": [start, end]}), path)
    assert walked(zones(lines={"l": [end, start]}), path) == [swap[each] for each in there]
    flat = [[WIDTH - x, y] for x, y in (start, end)]
    assert walked(zones(lines={"l": flat}), [(WIDTH - x, y) for x, y in path]) == [
        swap[each] for each in there
    ]


@given(*line_and_path)
def test_a_track_that_stays_clear_of_the_line_crosses_it_as_often_as_its_path(
    start: Point, end: Point, path: list[Point]
) -> None:
    assume(start != end)
    assume(all(abs(side((start, end), each)) > 3.1 for each in path))
    met = [
        "in" if side((start, end), b) > 0 else "out"
        for a, b in pairwise(path)
        if meet((start, end), (a, b))
    ]
    assert walked(zones(lines={"l": [start, end]}), path) == met


@given(*line_and_path)
def test_shares_mean_the_same_as_pixels(start: Point, end: Point, path: list[Point]) -> None:
    assume(start != end)
    shares = [[x / WIDTH, y / HEIGHT] for x, y in (start, end)]
    hook = zones(lines={"l": shares}, normalized=True)
    assume(all(abs(side((start, end), each)) > 0.001 for each in path))  # of a pixel
    assert walked(hook, path) == walked(zones(lines={"l": [start, end]}), path)


@pytest.mark.parametrize(
    ("options", "key", "message"),
    [
        ({}, "zones", "mapping from name to points"),
        ({"zones": []}, "zones", "mapping from name to points"),
        ({"zones": {"a": [[0, 0], [9, 9]]}}, "zones.a", "at least three points"),
        ({"zones": {"a": [[0, 0], [9, 9], [0, 0]]}}, "zones.a", "at least three points"),
        ({"zones": {"a": [[0, 0], [9, 9], [9, 0], [0, 9]]}}, "zones.a", "do not cross"),
        ({"zones": {"a": [[0, 0], [9, 9], [9]]}}, "zones.a", "list of points"),
        ({"zones": {"a": 3}}, "zones.a", "list of points"),
        ({"zones": {"a": [[0, 0], [9, "x"], [9, 0]]}}, "zones.a", "a number"),
        ({"zones": {"detections": YARD}}, "zones.detections", "a name for a count"),
        ({"zones": {1: YARD}}, "zones", "a name"),
        ({"lines": {"crossings": [[0, 0], [9, 9]]}}, "lines.crossings", "a name for a count"),
        ({"lines": {"l": [[5, 5], [5, 5]]}}, "lines.l", "two points"),
        ({"lines": {"l": YARD}}, "lines.l", "two points"),
        ({"zones": {"a": YARD}, "lines": {"a": [[0, 0], [9, 9]]}}, "lines.a", "a new name"),
        ({"zones": {"a": YARD}, "normalized": True}, "zones.a", "from 0 to 1"),
        ({"lines": {"l": [[0, 0.5], [1, 0.5]]}}, "lines.l", "points in pixels"),
        ({"zones": {"a": YARD}, "anchor": "top"}, "anchor", "one of bottom, center"),
        ({"zones": {"a": YARD}, "classes": []}, "classes", "a class id, a label"),
        ({"zones": {"a": YARD}, "classes": [1.5]}, "classes", "a class id, a label"),
    ],
)
def test_an_invalid_option_is_an_error_at_its_key(
    options: dict[str, Any], key: str, message: str
) -> None:
    with pytest.raises(InvalidFlowError, match=message) as caught:
        zones(**options)
    assert caught.value.key == key
