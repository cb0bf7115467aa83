"""Images in another size."""

from __future__ import annotations

import numpy as np
import pytest

from flowrun.image.scaling import FILTERS, scaled


@pytest.mark.parametrize("size", [(8, 6), (4, 3), (16, 12), (5, 13), (1, 1)])
def test_an_image_fills_the_new_size(size: tuple[int, int]) -> None:
    image = np.zeros((6, 8, 3), np.uint8)
    image[:, 4:] = 200
    made = scaled(image, size, FILTERS["nearest"])
    assert made.shape == (size[1], size[0], 3)
    assert made.flags.c_contiguous
    if size[0] > 1:
        assert (made[:, 0] == 0).all()
        assert (made[:, -1] == 200).all()


def test_the_same_size_is_the_same_image() -> None:
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert scaled(image, (8, 6)) is image
