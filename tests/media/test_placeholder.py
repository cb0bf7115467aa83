from __future__ import annotations

from datetime import datetime

import numpy as np
import pytest

from flowrun.frame import Image
from flowrun.media.font import Mask, text_mask
from flowrun.media.placeholder import placeholder

SINCE = datetime(2024, 2, 3, 7, 8, 59, 999_999)
ONE_BELOW_THE_OTHER = [
    ("NO SIGNAL", "SINCE 07:08:59"),
    ("NO SIGNAL", "SINCE", "07:08:59"),
    ("NO", "SIGNAL", "SINCE", "07:08:59"),
]


def text_in(image: Image) -> Mask:
    """Where it is light, without the dark border."""
    light = image[:, :, 0] > 128
    rows, columns = np.flatnonzero(light.any(1)), np.flatnonzero(light.any(0))
    return light[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def reads(image: Image) -> tuple[tuple[str, ...], int]:
    """The lines that stand in `image`, whole, and the pixels per dot."""
    found = text_in(image)
    for lines in ONE_BELOW_THE_OTHER:
        mask = text_mask(*lines)
        scale = found.shape[0] // mask.shape[0]
        large = mask.repeat(scale, 0).repeat(scale, 1) if scale else mask
        columns = np.flatnonzero(large.any(0))
        large = large[:, columns[0] : columns[-1] + 1]
        if large.shape == found.shape and (large == found).all():
            return lines, scale
    raise AssertionError(f"not to be read in {image.shape}")


@pytest.mark.parametrize(
    ("size", "lines", "scale"),
    [
        ((64, 48), 1, 1),
        ((65, 49), 1, 1),
        ((64, 1080), 1, 1),
        ((48, 64), 2, 1),
        ((161, 121), 1, 2),
        ((320, 240), 0, 3),
        ((641, 359), 0, 6),
        ((1920, 48), 0, 2),
        ((1920, 1080), 0, 20),
        ((1080, 1920), 0, 11),
    ],
)
def test_it_says_in_whole_letters_that_there_is_no_signal_and_since_when(
    size: tuple[int, int], lines: int, scale: int
) -> None:
    image = placeholder(size, SINCE)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8
    assert reads(image) == (ONE_BELOW_THE_OTHER[lines], scale)


def test_it_is_legible_at_every_size_from_64x48_on() -> None:
    for width in (64, 65, 66, 71, 83, 95, 96, 97, 127, 190, 191, 333, 999, 1919):
        for height in (48, 49, 50, 63, 77, 101, 359, 1079):
            reads(placeholder((width, height), SINCE))


def test_it_is_dark_and_has_no_colour_so_that_it_is_the_same_in_bgr() -> None:
    image = placeholder((640, 360), SINCE)
    assert (image[:, :, 0] == image[:, :, 1]).all()
    assert (image[:, :, 0] == image[:, :, 2]).all()
    assert image.mean() < 70
    assert image.max() - image.min() > 150


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (20, 20)])
def test_a_picture_too_small_for_the_text_shows_what_it_can(size: tuple[int, int]) -> None:
    assert placeholder(size, SINCE).shape == (size[1], size[0], 3)
