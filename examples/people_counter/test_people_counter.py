"""Test the hooks without a camera, a server or a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from people_counter import PeopleCounter, Zone, stand_in

from flowrun import Detection, Frame, Result
from flowrun.detection import with_detections

NOTHING = Result({})


def frame(index: int = 0, people: int = 0) -> Frame:
    image = np.zeros((100, 200, 3), np.uint8)
    image.flags.writeable = False  # as frames are in a run
    found = [Detection((0, 0, 10, 20), 0.9, label="person")] * people
    return with_detections(Frame(image, index, index / 10, 0.1, 0.0), found)


def test_a_zone_is_cropped_and_maps_back_to_the_source() -> None:
    made = Zone(left=0.5, top=0.1)(frame())
    assert made.image.shape == (90, 100, 3)
    assert made.seen.to_source((0, 0, 100, 90)) == (100, 10, 200, 100)


def test_an_invalid_zone_is_rejected() -> None:
    with pytest.raises(ValueError, match="left < right"):
        Zone(left=0.5, right=0.5)


def test_every_person_that_enters_is_counted_once(tmp_path: Path) -> None:
    journal = tmp_path / "entered.txt"
    count = PeopleCounter(journal=str(journal))
    made = [count(frame(index, people), NOTHING) for index, people in enumerate([0, 2, 2, 1, 2])]
    count.close()
    assert [each.data["people"] for each in made] == [0, 2, 2, 1, 2]
    assert [each.data["entered"] for each in made] == [0, 2, 2, 2, 3]
    assert journal.read_text() == "0.100\n0.100\n0.400\n"


def test_other_detections_are_not_counted() -> None:
    assert PeopleCounter(label="cat")(frame(people=2), NOTHING).data["people"] == 0


def test_the_stand_in_detects_only_an_edge() -> None:
    image = np.full((10, 100, 3), 255, np.uint8)
    assert stand_in(image)[0, 0, 0, 2] < 0.5
    image[:, 40:] = 0
    _, label, confidence, x0, _, x1, _ = stand_in(image)[0, 0, 0]
    assert label == 1
    assert confidence > 0.5
    assert (x0 + x1) / 2 == pytest.approx(0.4)
