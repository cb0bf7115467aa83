"""The hook that shows the model's output image instead of the source's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.frame import Frame, Image
from flowrun.hooks.align import align
from flowrun.hooks.letterbox import letterbox
from flowrun.hooks.picture import picture
from flowrun.hooks.resize import resize
from flowrun.inference import Result

sides = st.integers(8, 120)


def noise(width: int, height: int) -> Frame:
    image = np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8)
    image.flags.writeable = False
    return Frame(image, 0, 0.0, 0.0, 0.0)


def plain(width: int, height: int, color: tuple[int, int, int]) -> Frame:
    image = np.full((height, width, 3), color, np.uint8)
    return Frame(image, 0, 0.0, 0.0, 0.0)


def shown(source: Frame, seen: Frame, answer: Image, **options: Any) -> Image:
    """What the hook makes of `source` where the model saw `seen` and answered `answer`."""
    return picture(**options)(replace(source, view=seen.seen), Result({"output": answer})).image


@given(sides, sides, st.integers(1, 20), st.integers(1, 20))
def test_after_align_every_pixel_has_its_original_position(
    width: int, height: int, across: int, down: int
) -> None:
    source = noise(width, height)
    seen = align(across, down)(source)
    assert (shown(source, seen, 255 - seen.image) == 255 - source.image).all()


@given(sides, sides, sides, sides, st.sampled_from(["center", "top-left"]), sides, sides)
def test_after_letterbox_no_padding_is_left_whatever_the_size_of_the_output(
    width: int, height: int, across: int, down: int, position: str, wide: int, high: int
) -> None:
    source = plain(width, height, (10, 200, 30))
    seen = letterbox([across, down], fill=255, position=position)(source)
    image = shown(source, seen, seen.image)
    assert image.shape == source.image.shape
    assert (image == (10, 200, 30)).all()
    answer = resize([wide, high], "nearest")(seen).image
    smaller = shown(source, seen, answer)
    assert smaller.shape == source.image.shape
    if (answer != 255).any(axis=2).sum() > 2 * (wide + high):  # more than lines of the picture
        assert (smaller == (10, 200, 30)).mean() > 0.95


def test_what_the_model_draws_appears_at_its_position_in_the_source() -> None:
    source = plain(640, 360, (0, 0, 0))
    seen = letterbox("416x416")(source)  # 416x234, 91 lines above
    answer = np.zeros((208, 208, 3), np.uint8)  # half of that
    answer[46 + 50 : 46 + 60, 100:110] = 255
    ys, xs = np.nonzero(shown(source, seen, answer)[:, :, 0] > 127)
    scale = 640 / 208
    assert (xs.min(), xs.max() + 1) == pytest.approx((100 * scale, 110 * scale), abs=scale)
    assert (ys.min(), ys.max() + 1) == pytest.approx((50 * scale, 60 * scale), abs=scale)


def test_an_output_of_another_size_is_scaled_to_the_source() -> None:
    source = noise(64, 48)
    answer = np.full((320, 320, 3), 77, np.uint8)
    image = shown(source, source, answer)
    assert image.shape == (48, 64, 3)
    assert (image == 77).all()


def test_around_a_cropped_region_the_image_of_the_source_stays() -> None:
    source = noise(64, 48)
    part = source.with_image(source.image[8:24, 16:48], source.seen.cut(16, 8, 32, 16))
    image = shown(source, resize("16x16")(part), np.full((16, 16, 3), 77, np.uint8))
    assert (image[8:24, 16:48] == 77).all()
    image[8:24, 16:48] = source.image[8:24, 16:48]
    assert (image == source.image).all()


def test_a_region_outside_the_source_is_not_shown() -> None:
    source = noise(64, 48)
    beside = source.with_image(source.image, source.seen.cut(100, 0, 64, 48))
    assert shown(source, beside, 255 - source.image) is source.image


def test_with_size_model_the_output_is_unchanged() -> None:
    source = noise(64, 48)
    answer = noise(32, 32).image
    assert shown(source, letterbox("32x32")(source), answer, size="model") is answer


def test_the_output_is_named_or_the_only_one() -> None:
    source, answer = noise(8, 6), np.full((6, 8, 3), 77, np.uint8)
    two = Result({"boxes": np.zeros((0, 5)), "image": answer})
    assert np.shares_memory(picture("image")(source, two).image, answer)
    assert picture("other")(source, two) is source
    assert picture()(source, Result({})) is source
    with pytest.raises(ValueError, match="outputs") as raised:
        picture()(source, two)
    assert str(raised.value) == (
        "the response has the outputs 'boxes', 'image'; choose one with the option `output`"
    )


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (np.zeros((6, 8, 3), np.float32), "float32 with shape (6, 8, 3)"),
        (np.zeros((6, 8, 4), np.uint8), "uint8 with shape (6, 8, 4)"),
        (np.zeros((1, 6, 8, 3), np.uint8), "uint8 with shape (1, 6, 8, 3)"),
        (np.zeros((0, 8, 3), np.uint8), "uint8 with shape (0, 8, 3)"),
        (np.zeros(3, np.uint8), "uint8 with shape (3,)"),
    ],
)
def test_an_output_that_is_not_an_image_is_an_error(answer: Any, what: str) -> None:
    with pytest.raises(ValueError, match="an image") as raised:
        picture()(noise(8, 6), Result({"image": answer}))
    assert str(raised.value) == (
        f"output 'image' is {what}, expected an image: uint8 with shape (height, width, 3)"
    )
