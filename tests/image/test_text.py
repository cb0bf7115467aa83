"""Text masks, with and without a font of the system."""

from __future__ import annotations

import string
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrun.image import text as text_module
from flowrun.image.text import Mask, fitting_size, line_height, middle, stacked, text_mask, write


def forget() -> None:
    for cached in (
        text_mask,
        fitting_size,
        text_module._shown,
        text_module._font,
        text_module._face,
    ):
        cached.cache_clear()


@pytest.fixture(params=["the system's font", "no font of the system's"])
def font(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param.startswith("no"):
        monkeypatch.setattr(text_module, "_FONTS", ("no-such-font.ttf",))
    forget()
    yield request.param
    monkeypatch.undo()
    forget()


def same(one: Mask, other: Mask) -> bool:
    return one.shape == other.shape and bool((one == other).all())


@pytest.mark.usefixtures("font")
def test_a_line_is_as_high_as_the_font_and_as_wide_as_its_text() -> None:
    for size in (8, 12, 27, 100):
        mask = text_mask("Ag", size)
        assert mask.shape[0] == line_height(size)
        assert size <= line_height(size) <= 1.5 * size
        assert 2 * mask.shape[1] - 2 <= text_mask("AgAg", size).shape[1] <= 2 * mask.shape[1] + 1
        assert mask.max() > 200


@pytest.mark.usefixtures("font")
def test_different_characters_have_different_masks() -> None:
    for one, other in combinations(string.ascii_letters + string.digits + string.punctuation, 2):
        assert not same(text_mask(one, 12), text_mask(other, 12)), (one, other)


def test_accents_are_omitted_where_the_font_has_none(font: str) -> None:
    plain = same(text_mask("Äöüéñ", 20), text_mask("Aouen", 20))
    if font.startswith("no"):
        assert plain
    elif text_module._face().getname()[0] != "Aileron":  # this system has none of the fonts
        assert not plain


@pytest.mark.usefixtures("font")
def test_a_decomposed_character_is_drawn_like_a_composed_one() -> None:
    assert same(text_mask("u\u0308", 20), text_mask("ü", 20))


@pytest.mark.usefixtures("font")
def test_a_character_without_a_glyph_is_a_box_and_a_line_break_a_space() -> None:
    assert text_mask("\ue000", 20).any()
    assert same(text_mask("a\n \tb", 20), text_mask("a b", 20))


@pytest.mark.usefixtures("font")
@given(st.text(st.characters(), max_size=20), st.integers(1, 60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_can_be_drawn(text: str, size: int) -> None:
    mask = text_mask(text, size)
    assert mask.shape[0] == line_height(size)
    assert mask.shape[1] >= 1


def test_a_lone_surrogate_can_be_drawn() -> None:
    assert text_mask("\ud800", 20).any()


def test_masks_are_cached_and_read_only() -> None:
    assert text_mask("abc", 20) is text_mask("abc", 20)
    with pytest.raises(ValueError, match="read-only"):
        text_mask("abc", 20)[:] = 0


@pytest.mark.usefixtures("font")
def test_lines_are_stacked_left_aligned_or_centered() -> None:
    high, long, short = line_height(20), text_mask("long", 20), text_mask("i", 20)
    indent = (long.shape[1] - short.shape[1]) // 2
    for centered, left in ((False, 0), (True, indent)):
        mask = stacked(["long", "i"], 20, centered=centered)
        assert mask.shape == (2 * high, long.shape[1])
        assert same(mask[:high], long)
        assert same(mask[high:, left : left + short.shape[1]], short)
        assert mask.sum() == long.sum(dtype=int) + short.sum(dtype=int)


@pytest.mark.usefixtures("font")
@given(
    st.lists(st.text(string.ascii_letters, min_size=1, max_size=8), min_size=1, max_size=3),
    st.integers(1, 300),
    st.integers(1, 300),
)
@settings(
    max_examples=3 * settings().max_examples // 10,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_fitting_size_is_the_largest_at_which_the_lines_fit(
    lines: list[str], width: int, height: int
) -> None:
    size = fitting_size(tuple(lines), width, height)
    rows, columns = stacked(lines, size + 1).shape
    assert rows > height or columns > width
    if size:
        rows, columns = stacked(lines, size).shape
        assert rows <= height
        assert columns <= width


def test_text_and_background_have_their_colors_and_the_rest_is_unchanged() -> None:
    image = np.full((20, 30, 3), 99, np.uint8)
    mask = np.array([[0, 255, 128]], np.uint8)
    write(image, mask, (4, 5), ink=(200, 0, 100), paper=(10, 255, 100))
    assert image[5, 4:7].tolist() == [[10, 255, 100], [200, 0, 100], [105, 127, 100]]
    image[5, 4:7] = 99
    assert (image == 99).all()


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 40))
def test_in_the_middle_the_margins_are_equal(width: int, height: int, s: int) -> None:
    mask = np.zeros((s, s), np.uint8)
    left, top = middle(np.zeros((height, width, 3), np.uint8), mask)
    for before, side in ((left, width), (top, height)):
        after = side - before - s
        assert after - before in (0, 1) or before == 0 > after


def test_a_mask_that_does_not_fit_is_clipped_at_the_right_and_bottom() -> None:
    image = np.zeros((4, 8, 3), np.uint8)
    mask = text_mask("HI", 30)
    write(image, mask, (3, 1), ink=(255,) * 3, paper=(0,) * 3)
    assert (image[1:, 3:, 0] == mask[:3, :5]).all()
    assert not image[:1].any()
    assert not image[:, :3].any()
