"""Pictures in another size."""

from __future__ import annotations

import numpy as np
import pytest

from flowrun.media.sinks.fit import fit


@pytest.mark.parametrize("size", [(8, 6), (4, 3), (16, 12), (5, 13), (1, 1)])
def test_a_picture_fills_the_other_size(size: tuple[int, int]) -> None:
    image = np.zeros((6, 8, 3), np.uint8)
    image[:, 4:] = 200
    made = fit(image, size)
    assert made.shape == (size[1], size[0], 3)
    assert made.flags.c_contiguous
    if size[0] > 1:
        assert (made[:, 0] == 0).all()
        assert (made[:, -1] == 200).all()


def test_the_same_size_is_the_same_picture() -> None:
    image = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)
    assert (fit(image, (8, 6)) == image).all()
