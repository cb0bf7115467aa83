from __future__ import annotations

import string
from itertools import combinations

import numpy as np
import pytest

from flowrun.media.font import Mask, draw, scale_to_fit, text_mask


def drawn(mask: Mask) -> list[str]:
    return ["".join("#" if dot else " " for dot in row).rstrip() for row in mask]


def test_text_is_read_from_left_to_right_and_from_top_to_bottom() -> None:
    assert drawn(text_mask("L1")) == [
        "#       #",
        "#      ##",
        "#       #",
        "#       #",
        "#       #",
        "#       #",
        "#####  ###",
    ]


def test_lines_stand_one_below_the_other_each_in_the_middle() -> None:
    mask = text_mask("TOP", "I")
    assert mask.shape == (17, 17)
    assert (mask[:7] == text_mask("TOP")).all()
    assert not mask[7:10].any()
    assert (mask[10:, 6:11] == text_mask("I")).all()
    assert mask[10:].sum() == text_mask("I").sum()


def test_no_two_letters_look_alike() -> None:
    for one, other in combinations(string.ascii_uppercase + string.digits + " -.:", 2):
        assert (text_mask(one) != text_mask(other)).any(), (one, other)


def test_small_letters_are_shown_as_capitals() -> None:
    assert (text_mask("flow") == text_mask("FLOW")).all()


def test_a_letter_that_the_font_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError, match="'É'"):
        text_mask("é")


def test_the_scale_is_the_largest_at_which_everything_fits() -> None:
    mask = text_mask("0")  # 5 x 7
    assert scale_to_fit(mask, 15, 21) == 3
    assert scale_to_fit(mask, 14, 21) == 2
    assert scale_to_fit(mask, 15, 20) == 2
    assert scale_to_fit(mask, 4, 7) == 0


def test_a_text_is_drawn_in_the_middle_in_two_greys_and_the_rest_of_the_picture_stays() -> None:
    image = np.full((20, 30, 3), 99, np.uint8)
    mask = text_mask("7")
    draw(image, mask, 2, ink=200, paper=10)
    large = mask.repeat(2, 0).repeat(2, 1)
    middle = image[3:17, 10:20]
    assert (middle == np.where(large, 200, 10)[:, :, None]).all()
    middle[:] = 99
    assert (image == 99).all()


def test_what_does_not_fit_is_cut_off_at_the_right_and_below() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    draw(image, text_mask("HI"), 1)
    assert (image[:, :, 0] == text_mask("HI")[:4, :8] * 255).all()
