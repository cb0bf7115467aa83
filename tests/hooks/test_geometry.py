"""Hooks that change the geometry of the image, and the view that they record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flowrun.frame import Frame, Image
from flowrun.hooks.align import align
from flowrun.hooks.color_order import color_order
from flowrun.hooks.letterbox import letterbox
from flowrun.hooks.resize import resize
from flowrun.view import Box, View

sides = st.integers(8, 160)
sizes = st.tuples(sides, sides)


def frame(image: Image) -> Frame:
    image.flags.writeable = False
    return Frame(image, 0, 0.0, 0.0, 0.0)


def noise(width: int, height: int) -> Frame:
    return frame(np.random.default_rng(7).integers(0, 256, (height, width, 3), np.uint8))


def marked(width: int, height: int, box: tuple[int, int, int, int]) -> Frame:
    """Black, and white in the box."""
    image = np.zeros((height, width, 3), np.uint8)
    image[box[1] : box[3], box[0] : box[2]] = 255
    return frame(image)


def marked_in(image: Image) -> Box:
    """Where the white is."""
    ys, xs = np.nonzero(image[:, :, 0] > 127)
    return float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)


@st.composite
def boxes(draw: st.DrawFn, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box of at least a quarter of each side."""
    ends = []
    for side in size:
        length = draw(st.integers(-(-side // 4), side))
        start = draw(st.integers(0, side - length))
        ends.append((start, start + length))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


@given(sizes, sizes, st.data())
def test_a_position_in_a_resized_image_maps_back_to_the_source(
    size: tuple[int, int], wanted: tuple[int, int], data: st.DataObject
) -> None:
    box = data.draw(boxes(size))
    made = resize(list(wanted))(marked(*size, box))
    assert (made.width, made.height) == wanted
    assert made.seen == View(*size).resized(*wanted)
    pixel = max(1, made.seen.x_scale, made.seen.y_scale)
    assert made.seen.to_source(marked_in(made.image)) == pytest.approx(box, abs=pixel)


@given(sizes, sizes, st.sampled_from(["center", "top-left"]), st.data())
def test_a_position_in_a_letterbox_maps_back_to_the_source(
    size: tuple[int, int], wanted: tuple[int, int], position: str, data: st.DataObject
) -> None:
    box = data.draw(boxes(size))
    made = letterbox(list(wanted), fill=0, position=position)(marked(*size, box))
    assume(min(size[0] / made.seen.x_scale, size[1] / made.seen.y_scale) > 7)  # to see it by
    assert (made.width, made.height) == wanted
    pixel = max(1, made.seen.x_scale, made.seen.y_scale)
    assert made.seen.to_source(marked_in(made.image)) == pytest.approx(box, abs=pixel)


@given(sizes, sizes)
def test_a_letterbox_has_the_whole_image_as_large_as_possible(
    size: tuple[int, int], wanted: tuple[int, int]
) -> None:
    made = letterbox(list(wanted), fill=[1, 2, 3])(marked(*size, (0, 0, *size)))
    x0, y0, x1, y1 = (int(edge) for edge in marked_in(made.image))
    inner = made.image[y0:y1, x0:x1]
    assert (inner == 255).all()
    assert x1 - x0 == wanted[0] or y1 - y0 == wanted[1]
    scale = min(wanted[0] / size[0], wanted[1] / size[1])
    assert x1 - x0 == pytest.approx(max(1, size[0] * scale), abs=0.5)  # undistorted
    assert y1 - y0 == pytest.approx(max(1, size[1] * scale), abs=0.5)
    assert (wanted[0] - x1) - x0 in (0, 1)  # in the middle
    assert (wanted[1] - y1) - y0 in (0, 1)
    assert (made.image == (1, 2, 3)).all(axis=2).sum() == wanted[0] * wanted[1] - inner[
        :, :, 0
    ].size


def test_a_letterbox_is_padded_with_gray_by_default() -> None:
    made = letterbox("6x6")(marked(4, 2, (0, 0, 4, 2)))
    assert made.image[:, :, 1].tolist() == [
        [114] * 6, [255] * 6, [255] * 6, [255] * 6, [114] * 6, [114] * 6,
    ]  # fmt: skip
    assert letterbox("6x6", position="top-left")(marked(4, 2, (0, 0, 4, 2))).image[0, 0, 0] == 255


def test_positions_map_back_through_several_hooks() -> None:
    source = marked(101, 67, (20, 10, 60, 50))
    made = align()(letterbox("77x77", fill=0)(resize("90x50")(source)))
    assert (made.width, made.height) == (80, 77)
    assert made.seen.to_source(marked_in(made.image)) == pytest.approx((20, 10, 60, 50), abs=1.5)


def test_fine_patterns_turn_gray_when_they_are_shrunk_unless_the_filter_is_nearest() -> None:
    lines = np.zeros((64, 64, 3), np.uint8)
    lines[:, ::2] = 255
    inside = resize("8x8")(frame(lines)).image[:, 1:-1]
    assert (abs(inside.astype(int) - 128) < 16).all()
    assert set(np.unique(resize("8x8", "nearest")(frame(lines)).image)) <= {0, 255}


@pytest.mark.parametrize("name", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_a_picture_of_one_colour_stays_so_with_every_filter(name: str) -> None:
    image = np.full((33, 47, 3), (200, 100, 50), np.uint8)
    assert (resize("13x64", name)(frame(image)).image == (200, 100, 50)).all()


def test_a_picture_that_has_the_size_already_is_not_copied() -> None:
    source = noise(32, 20)
    assert resize("32x20")(source).image is source.image
    assert align()(source) is source


@given(sides, sides, st.integers(1, 20), st.integers(1, 20))
def test_aligned_pictures_grow_by_their_edges_to_the_next_multiple(
    width: int, height: int, across: int, down: int
) -> None:
    source = noise(width, height)
    made = align(across, down)(source)
    assert made.width % across == 0
    assert made.height % down == 0
    assert 0 <= made.width - width < across
    assert 0 <= made.height - height < down
    grown = ((0, made.height - height), (0, made.width - width), (0, 0))
    assert (made.image == np.pad(source.image, grown, "edge")).all()
    assert made.seen.to_source((3, 4, 5, 6)) == (3, 4, 5, 6)
    assert (made.seen.width, made.seen.height) == (made.width, made.height)


def test_widths_become_multiples_of_16_and_heights_stay_by_default() -> None:
    made = align()(noise(641, 359))
    assert (made.width, made.height) == (656, 359)


def test_the_colour_order_is_reversed_and_twice_is_not_at_all() -> None:
    source = noise(9, 5)
    made = color_order(source)
    assert (made.image == source.image[:, :, ::-1]).all()
    assert made.image.flags.c_contiguous
    assert made.seen == source.seen
    assert (color_order(made).image == source.image).all()


def test_letterboxed_aligned_and_reversed_images_are_writable() -> None:
    source = noise(9, 5)
    for hook in (letterbox("8x8"), align(), color_order):
        hook(source).image[:] = 0
    assert source.image.any()
