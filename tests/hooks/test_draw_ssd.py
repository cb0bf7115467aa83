"""Boxes on the frame, in its own pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowrun.frame import Frame
from flowrun.hooks.draw_ssd import draw_ssd
from flowrun.inference import Result


def frame() -> Frame:
    image = np.zeros((40, 60, 3), np.uint8)
    image.flags.writeable = False
    return Frame(image, 0, 0.0, 0.0, 0.0)


def result(*rows: Any) -> Result:
    return Result({"detection_out": np.array([[rows]], np.float32).reshape(1, 1, -1, 7)})


def drawn(*rows: Any, **options: Any) -> Any:
    return draw_ssd(frame(), result(*rows), **options).image.any(axis=2)


def test_a_box_is_drawn_around_the_detection_and_not_inside() -> None:
    mask = drawn([0, 1, 0.9, 0.25, 0.25, 0.75, 0.75], thickness=2)
    ys, xs = np.nonzero(mask)
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (15, 44, 10, 29)
    assert not mask[12:28, 17:43].any()
    assert mask[10:12, 15:45].all()
    assert mask[10:30, 43:45].all()


def test_what_is_unlikely_and_what_stands_after_the_end_is_left_out() -> None:
    weak = [0, 1, 0.4, 0, 0, 1, 1]
    end = [-1, 0, 0, 0, 0, 0, 0]
    strong = [0, 1, 0.9, 0, 0, 1, 1]
    assert not drawn(weak, end, strong).any()
    assert drawn(weak, threshold=0.3).any()


def test_a_box_that_leaves_the_picture_is_cut_and_one_without_area_is_nothing() -> None:
    assert drawn([0, 1, 0.9, -1, -1, 2, 2]).sum() == 2 * (60 + 40) * 2 - 16
    assert not drawn([0, 1, 0.9, 0.5, 0.5, 0.5, 0.9]).any()


def test_the_original_is_not_touched_and_no_detection_leaves_it_alone() -> None:
    original = frame()
    assert draw_ssd(original, result([0, 1, 0.9, 0, 0, 1, 1])) is not original
    assert not original.image.any()
    assert draw_ssd(original, Result({})) is original
