"""Which frames a sink writes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowrun.media.when import When


class Undecided:
    def __bool__(self) -> bool:
        raise ValueError("neither")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True), (1, True), ("no", True), ((0,), True), (np.array([0, 2]), True),
        (False, False), (0, False), (0.0, False), ("", False), ((), False), ({}, False),
        (None, False), (np.zeros(3), False), (np.zeros(0), False), (Undecided(), False),
    ],
)  # fmt: skip
def test_what_is_empty_or_zero_selects_no_frame(value: Any, expected: bool) -> None:
    assert When("hit")({"hit": value}) is expected


def test_without_a_name_every_frame_is_selected() -> None:
    when = When()
    assert when({})
    assert not when.unknown


def test_a_name_is_unknown_until_something_is_attached_under_it() -> None:
    when = When("hit")
    assert not when({"hits": 1})
    assert when.unknown
    assert not when({"hit": 0})
    assert not when.unknown
