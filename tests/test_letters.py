"""Letters for pictures, in whatever font there is."""

from __future__ import annotations

import string
from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrun import letters
from flowrun.letters import Mask, line_height, text_mask


def forget() -> None:
    for cached in (letters.text_mask, letters._shown, letters._font, letters._face):
        cached.cache_clear()


@pytest.fixture(params=["the system's font", "no font of the system's"])
def font(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param.startswith("no"):
        monkeypatch.setattr(letters, "_SYSTEMS", ("no-such-font.ttf",))
    forget()
    yield request.param
    monkeypatch.undo()
    forget()


def same(one: Mask, other: Mask) -> bool:
    return one.shape == other.shape and bool((one == other).all())


@pytest.mark.usefixtures("font")
def test_a_line_is_as_high_as_its_letters_and_as_wide_as_its_text() -> None:
    for size in (8, 12, 27, 100):
        mask = text_mask("Ag", size)
        assert mask.shape[0] == line_height(size)
        assert size <= line_height(size) <= 1.5 * size
        assert 2 * mask.shape[1] - 2 <= text_mask("AgAg", size).shape[1] <= 2 * mask.shape[1] + 1
        assert mask.max() > 200


@pytest.mark.usefixtures("font")
def test_no_two_letters_look_alike() -> None:
    for one, other in combinations(string.ascii_letters + string.digits + string.punctuation, 2):
        assert not same(text_mask(one, 12), text_mask(other, 12)), (one, other)


def test_accents_are_shown_where_the_font_has_them_and_left_out_where_not(font: str) -> None:
    plain = same(text_mask("Äöüéñ", 20), text_mask("Aouen", 20))
    if font.startswith("no"):
        assert plain
    elif letters._face().getname()[0] != "Aileron":  # this system has none of the fonts
        assert not plain


@pytest.mark.usefixtures("font")
def test_a_letter_and_its_accent_may_come_apart() -> None:
    assert same(text_mask("u\u0308", 20), text_mask("ü", 20))


@pytest.mark.usefixtures("font")
def test_an_unknown_letter_is_a_box_and_a_line_break_a_space() -> None:
    assert text_mask("\ue000", 20).any()
    assert same(text_mask("a\n \tb", 20), text_mask("a b", 20))


@pytest.mark.usefixtures("font")
@given(st.text(st.characters(), max_size=20), st.integers(1, 60))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_will_do(text: str, size: int) -> None:
    mask = text_mask(text, size)
    assert mask.shape[0] == line_height(size)
    assert mask.shape[1] >= 1


def test_half_of_a_letter_pair_will_do_too() -> None:
    assert text_mask("\ud800", 20).any()


def test_masks_are_remembered_and_so_cannot_be_written() -> None:
    assert text_mask("abc", 20) is text_mask("abc", 20)
    with pytest.raises(ValueError, match="read-only"):
        text_mask("abc", 20)[:] = 0
