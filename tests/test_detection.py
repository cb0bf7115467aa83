"""Detections, masks and their JSON form."""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from flowrun.detection import Detection, Mask

BOX = (1.0, 2.0, 3.0, 4.0)
parts = array_shapes(min_dims=2, max_dims=2, max_side=9).flatmap(lambda s: arrays(bool, s))
margins = st.tuples(*[st.integers(0, 3)] * 4)


def decoded(size: list[int], counts: list[int]) -> npt.NDArray[np.bool_]:
    """The picture of COCO's run lengths, one run after the other."""
    flat: list[int] = []
    for n, count in enumerate(counts):
        flat += [n % 2] * count
    pixels: npt.NDArray[np.bool_] = np.array(flat, bool).reshape(size[::-1]).T
    return pixels


@given(parts, margins)
def test_the_run_lengths_of_a_mask_are_its_pixels_in_the_whole_picture(
    part: npt.NDArray[np.bool_], margin: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = margin
    whole = np.pad(part, ((top, bottom), (left, right)))
    height, width = whole.shape
    form = Mask(part, left, top, width, height).to_json()
    assert form["size"] == [height, width]
    assert np.array_equal(decoded(**form), whole)
    assert all(count > 0 for count in form["counts"][1:])


def test_masks_of_the_same_pixels_are_equal_whatever_part_holds_them() -> None:
    one = Mask(np.array([[True]]), 1, 1, 3, 3)
    padded = Mask(np.pad(np.array([[True]]), 1), 0, 0, 3, 3)
    other = Mask(np.array([[True]]), 1, 0, 3, 3)
    assert one == padded
    assert hash(one) == hash(padded)
    assert one != other


def test_only_the_fields_that_apply_are_in_the_json_form() -> None:
    assert Detection(BOX, 0.5).to_json() == {
        "box": BOX, "score": 0.5, "class_id": None, "label": None, "text": None,
    }  # fmt: skip
    rich = Detection(BOX, 0.5, keypoints=((1.0, 2.0, 0.9),), track_id=7, angle=0.0)
    assert list(rich.to_json())[-3:] == ["keypoints", "track_id", "angle"]
    json.dumps(rich.to_json())
