from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from flowrun.frame import Image
from flowrun.image.text import line_height, stacked
from flowrun.media.sinks.placeholder import placeholder

SINCE = datetime(2024, 2, 3, 7, 8, 59, 999_999)
LAYOUTS = [
    ("NO SIGNAL", "SINCE 07:08:59"),
    ("NO SIGNAL", "SINCE", "07:08:59"),
    ("NO", "SIGNAL", "SINCE", "07:08:59"),
]


def bare(values: Any) -> Any:
    """Without the rows and columns around the text."""
    rows, columns = np.flatnonzero(values.any(1)), np.flatnonzero(values.any(0))
    return values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def reads(image: Image) -> tuple[tuple[str, ...], int]:
    """The lines of text in `image`, each glyph complete, and their font size."""
    paper, ink = int(image.min()), 208
    found = bare(image[:, :, 0].astype(int) - paper)
    for lines in LAYOUTS:
        # The height of so many lines, down to the baseline of the last.
        high = (len(lines) - 1) * line_height(100) / 100 + 0.73
        about = found.shape[0] / high
        for size in range(max(1, int(about * 0.9) - 2), int(about * 1.1) + 3):
            mask = stacked(lines, size, centered=True)
            wanted = bare(np.rint(mask / 255 * (ink - paper)).astype(int))
            if wanted.shape == found.shape and (wanted == found).all():
                return lines, size
    raise AssertionError(f"not legible in {image.shape}")


@pytest.mark.parametrize(
    ("size", "lines"),
    [
        ((64, 48), 1),
        ((65, 49), 1),
        ((64, 1080), 2),
        ((48, 64), 2),
        ((320, 240), 0),
        ((641, 359), 0),
        ((1920, 48), 0),
        ((1920, 1080), 0),
        ((1080, 1920), 0),
    ],
)
def test_the_text_is_complete_and_as_large_as_possible(size: tuple[int, int], lines: int) -> None:
    image = placeholder(size, SINCE)
    assert image.shape == (size[1], size[0], 3)
    assert image.dtype == np.uint8
    read, font_size = reads(image)
    assert read == LAYOUTS[lines]
    larger = stacked(read, font_size + 1)  # would leave no border
    assert larger.shape[0] > size[1] * 7 // 8 or larger.shape[1] > size[0] * 7 // 8


def test_it_is_legible_at_every_size_from_64x48_on() -> None:
    for width in (64, 65, 66, 71, 83, 95, 96, 97, 127, 190, 191, 333, 999):
        for height in (48, 49, 50, 63, 77, 101, 359):
            _, font_size = reads(placeholder((width, height), SINCE))
            assert font_size >= 8


def test_it_is_dark_and_grey_so_that_it_is_the_same_in_bgr() -> None:
    image = placeholder((640, 360), SINCE)
    assert (image[:, :, 0] == image[:, :, 1]).all()
    assert (image[:, :, 0] == image[:, :, 2]).all()
    assert image.mean() < 70
    assert image.max() - image.min() > 150


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (20, 20)])
def test_an_image_too_small_for_the_text_is_drawn_without_an_error(size: tuple[int, int]) -> None:
    assert placeholder(size, SINCE).shape == (size[1], size[0], 3)
