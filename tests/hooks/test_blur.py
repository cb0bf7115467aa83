"""Detections that are made unrecognisable, and the pixels that stay."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.detection import Detection, Mask, with_detections
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.blur import blur
from flowrun.inference import Result

EMPTY = Result({})
WIDTH, HEIGHT = 160, 120
BOX = (40.0, 30.0, 100.0, 90.0)
NOISE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
NOISE.flags.writeable = False
METHODS = ("blur", "pixelate", "fill")


def frame(*found: Detection) -> Frame:
    bare = Frame(NOISE, 0, 0.0, 0.0, 0.0)
    return with_detections(bare, found) if found else bare


def changed(hook: blur, *found: Detection) -> npt.NDArray[np.bool_]:
    after = hook(frame(*found), EMPTY).image
    mask: npt.NDArray[np.bool_] = (after != NOISE).any(axis=2)
    return mask


def area(x0: int, y0: int, x1: int, y1: int) -> npt.NDArray[np.bool_]:
    pixels = np.zeros((HEIGHT, WIDTH), bool)
    pixels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = True
    return pixels


def assert_covers(pixels: npt.NDArray[np.bool_], expected: npt.NDArray[np.bool_]) -> None:
    assert not pixels[~expected].any()
    assert pixels[expected].mean() > 0.95


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (BOX, (40, 30, 100, 90)),
        ((40.9, 30.9, 99.1, 89.1), (40, 30, 100, 90)),
        ((-30, -30, 20, 20), (0, 0, 20, 20)),
        ((-30, -30, 999, 999), (0, 0, WIDTH, HEIGHT)),
        ((50, 50, 52, 53), (50, 50, 52, 53)),
    ],
)
def test_the_pixels_of_the_box_change_and_all_others_stay(
    method: str, box: Any, expected: Any
) -> None:
    assert_covers(changed(blur(method), Detection(box, 0.9)), area(*expected))


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_is_covered_instead_of_its_box(method: str) -> None:
    disc = np.hypot(*(np.indices((60, 60)) - 30)) < 25
    mask = Mask(disc, 40, 30, WIDTH, HEIGHT)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[30:90, 40:100] = disc
    assert_covers(changed(blur(method), Detection(BOX, 0.9, mask=mask)), expected)


def test_grow_covers_a_share_more_on_every_side() -> None:
    hook = blur("fill", grow=0.1)
    assert_covers(changed(hook, Detection((40, 30, 100, 70), 0.9)), area(34, 26, 106, 74))
    mask = Mask(np.ones((2, 3), bool), 0, 60, WIDTH, HEIGHT)
    found = Detection((0, 40, 20, 80), 0.9, mask=mask)
    assert_covers(changed(hook, found), area(0, 56, 5, 66))


def test_a_rotated_box_is_covered_where_it_is_in_the_picture() -> None:
    quarter = changed(blur("fill"), Detection((40, 50, 100, 70), 0.9, angle=math.pi / 2))
    assert not quarter[~area(59, 29, 82, 92)].any()
    assert quarter[area(61, 31, 80, 90)].all()
    eighth = changed(blur("fill"), Detection((40, 50, 100, 70), 0.9, angle=math.pi / 4))
    assert eighth[80, 90]  # clockwise: down on the right
    assert not eighth[80, 50]
    assert eighth[40, 50]


@pytest.mark.parametrize("method", ["blur", "pixelate"])
def test_a_stronger_blur_leaves_less(method: str) -> None:
    """A pattern is gone that is smaller than a block."""
    left = []
    for strength in (0.05, 0.25, 1):
        after = blur(method, strength=strength)(frame(Detection(BOX, 0.9)), EMPTY).image
        left.append(float(after[30:90, 40:100].std()))
    assert left == sorted(left, reverse=True)
    assert left[1] < NOISE.std() / 8


def test_pixels_of_a_block_have_one_color() -> None:
    after = blur("pixelate", strength=0.25)(frame(Detection(BOX, 0.9)), EMPTY).image
    block = after[30:45, 40:55]
    assert (block == block[0, 0]).all()
    assert np.abs(block[0, 0] - NOISE[30:45, 40:55].mean(axis=(0, 1))).max() <= 1


def test_only_the_classes_with_the_score_are_covered() -> None:
    found = [
        Detection((0, 0, 20, 20), 0.9, 1, "face"),
        Detection((40, 0, 60, 20), 0.3, 1, "face"),
        Detection((80, 0, 100, 20), 0.9, 2, "plate"),
    ]
    both = area(0, 0, 20, 20) | area(80, 0, 100, 20)
    assert_covers(
        changed(blur("fill", classes=["face"], min_score=0.5), *found), area(0, 0, 20, 20)
    )
    assert_covers(changed(blur("fill", classes=[1, "plate"], min_score=0.5), *found), both)


def test_a_frame_with_nothing_to_cover_is_returned_unchanged() -> None:
    outside = frame(Detection((-50, -50, -10, -10), 0.9), Detection((5, 5, 5, 9), 0.9))
    assert blur()(outside, EMPTY) is outside
    assert blur()(frame(), EMPTY).image is NOISE


numbers = st.floats(-200, 300)
found_anywhere = st.builds(
    Detection,
    st.tuples(numbers, numbers, numbers, numbers),
    st.floats(0, 1),
    angle=st.none() | st.floats(-7, 7),
)


@given(st.lists(found_anywhere, max_size=4), st.sampled_from(METHODS), st.floats(0, 1))
def test_any_detections_are_covered_on_a_copy(
    found: list[Detection], method: str, grow: float
) -> None:
    before = frame(*found)
    after = blur(method, grow=grow)(before, EMPTY)
    assert after.image.shape == NOISE.shape
    for each in found:
        x0, y0, x1, y1 = (round(v) for v in each.box)
        if method == "fill" and x0 < x1 and y0 < y1 and each.angle is None:
            assert not after.image[area(x0, y0, x1, y1)].any()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("method", "smear"), ("strength", 0), ("strength", 1.5), ("grow", -0.1),
        ("classes", {}), ("min_score", "x"),
    ],
)  # fmt: skip
def test_an_invalid_option_is_an_error_at_its_key(key: str, value: Any) -> None:
    with pytest.raises(InvalidFlowError) as caught:
        blur(**{key: value})
    assert caught.value.key == key
