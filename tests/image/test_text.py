"""Text masks, with and without a font of the system."""

from __future__ import annotations

import math
import shutil
import string
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import features

from flowrun.image import fonts
from flowrun.image.text import Mask, fitting_size, line_height, middle, stacked, text_mask, write


def forget() -> None:
    for cached in (text_mask, fitting_size, fonts._choice, fonts._main, fonts._files):
        cached.cache_clear()
    fonts._found.clear()
    fonts._missing_scripts.clear()
    fonts._reported.clear()


@pytest.fixture(params=["the system's font", "no font of the system's"])
def font(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param.startswith("no"):
        without_fonts(monkeypatch)
    forget()
    yield request.param
    monkeypatch.undo()
    forget()


@pytest.fixture
def no_font(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    without_fonts(monkeypatch)
    forget()
    yield
    monkeypatch.undo()
    forget()


def without_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_MAIN", ("no-such-font.ttf",))
    monkeypatch.setattr(fonts, "font_folders", lambda *_: [])


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
    elif fonts._main().getname()[0] != "Aileron":  # this system has none of the fonts
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
    assert text_mask("\ud800\u0642", 20).any()


def system_font(character: str) -> Path:
    """A font of the system that has `character`; the test is skipped if there is none."""
    forget()
    if not fonts._has(fonts._choice(character)[1], character):
        pytest.skip(f"this system has no font with {character}")
    return Path(str(fonts._choice(character)[1].path))


def test_a_character_that_the_main_font_lacks_is_drawn_in_a_font_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "fonts" / "more").mkdir(parents=True)
    shutil.copy(system_font("Ж"), tmp_path / "fonts" / "more")
    (tmp_path / "fonts" / "damaged.ttf").write_bytes(b"not a font")
    without_fonts(monkeypatch)
    monkeypatch.setattr(fonts, "font_folders", lambda *_: [tmp_path / "fonts", tmp_path / "no"])
    forget()
    mask = text_mask("Жa", 20)
    own, other = fonts.font(20), fonts.runs("Ж", 20)[0][1]
    assert [part for part, _ in fonts.runs("aЖЖ b", 20)] == ["a", "ЖЖ", " b"]
    assert other.getname() != own.getname()
    assert mask.shape == (line_height(20), math.ceil(other.getlength("Ж") + own.getlength("a")))
    assert not same(text_mask("Ж", 20), text_mask("Д", 20))
    assert caplog.records == []
    forget()


def test_scripts_that_run_from_right_to_left_are_joined_and_reversed() -> None:
    if not features.check_feature("raqm"):
        pytest.skip("Pillow finds no libfribidi here")
    system_font("ق")
    word, apart = text_mask("قط", 40), text_mask("ق", 40).shape[1] + text_mask("ط", 40).shape[1]
    assert word.shape[1] < apart  # joined letters are narrower
    assert same(
        text_mask("אב", 40)[:, -5:], text_mask("א", 40)[:, -5:]
    )  # the first is at the right


@pytest.mark.usefixtures("no_font")
def test_the_first_character_without_a_glyph_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text_mask("plain \x07 \ue000", 20)  # no font has these
    assert caplog.records == []
    text_mask("東京", 20)
    text_mask("行人 Ж", 20)
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "no font of this system has 東 (U+6771 CJK UNIFIED IDEOGRAPH-6771): "
    )


@pytest.mark.usefixtures("no_font")
def test_fonts_are_searched_once_for_each_script_and_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searches = []

    def files() -> tuple[Path, ...]:
        searches.append(1)
        return ()

    monkeypatch.setattr(fonts, "_files", files)
    for first in range(0x0400, 0x2E00, 4):
        text_mask(chr(first), 20)
    assert len(searches) == fonts._MAX_SEARCHES


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {}, ["/usr/local/share/fonts", "/usr/share/fonts", "/h/.local/share/fonts"]),
        ("linux", {"XDG_DATA_DIRS": "/a:/b", "XDG_DATA_HOME": "/c"}, ["/a/fonts", "/b/fonts"]),
        ("darwin", {}, ["/System/Library/Fonts", "/Library/Fonts", "/h/Library/Fonts"]),
        ("win32", {"WINDIR": "W:", "LOCALAPPDATA": "L"}, ["W:/Fonts", "L/Microsoft/Windows/Fonts"]),
    ],
)
def test_fonts_are_in_the_folders_of_the_platform(
    platform: str, environ: dict[str, str], expected: list[str]
) -> None:
    found = [each.as_posix() for each in fonts.font_folders(platform, environ, Path("/h"))]
    assert found[: len(expected)] == expected


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
