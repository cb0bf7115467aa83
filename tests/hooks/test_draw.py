"""The hooks that draw detections, keypoints, masks, zones, classes, texts and the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrun.detection import Classification, Detection, Mask, with_detections
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame, Image
from flowrun.hooks.draw_boxes import draw_boxes
from flowrun.hooks.draw_classes import draw_classes
from flowrun.hooks.draw_clock import clock_time, draw_clock, time_of_day
from flowrun.hooks.draw_masks import draw_masks
from flowrun.hooks.draw_points import draw_points
from flowrun.hooks.draw_texts import draw_texts
from flowrun.hooks.draw_zones import draw_zones
from flowrun.hooks.loader import open_hooks
from flowrun.hooks.support.drawing import CORNERS
from flowrun.hooks.zones import zones
from flowrun.image.text import line_height, text_mask
from flowrun.inference import Result
from flowrun.spec.flow import HookSpec

EMPTY = Result({})
SMALL, LARGE = (320, 240), (1920, 1080)
FONT_SIZES = {SMALL: 12, LARGE: 27}  # pixels
BOX = (100.0, 80.0, 180.0, 160.0)
INKS = ((20, 20, 20), (240, 240, 240))


def frame(*found: Detection, size: tuple[int, int] = SMALL) -> Frame:
    image = np.full((size[1], size[0], 3), 100, np.uint8)
    image.flags.writeable = False
    bare = Frame(image, 123, 3723.4567, 0.0, 0.0)
    return with_detections(bare, found) if found else bare


def changed(before: Frame, after: Frame) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_] = (before.image != after.image).any(axis=2)
    return mask


def extent(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of what is set."""
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def places(image: Image, text: str, size: int, paper: Any) -> list[tuple[int, int]]:
    """Where `text` stands in `image`, (left, top) each: dark or light letters on `paper`."""
    share = text_mask(text, size)[:, :, None] / 255
    found = []
    for ink in INKS:
        wanted = np.rint(paper + (np.array(ink, float) - paper) * share).astype(np.uint8)
        lines = [line.tobytes() for line in wanted]
        rows = [row.tobytes() for row in image]
        middle = len(lines) // 2
        for y in range(len(rows) - len(lines) + 1):
            at = rows[y + middle].find(lines[middle])
            if at >= 0 and all(
                row[at : at + len(line)] == line
                for row, line in zip(rows[y : y + len(lines)], lines, strict=True)
            ):
                found.append((at // 3, y))
    return found


def box_color(image: Image, box: tuple[float, ...] = BOX) -> Any:
    return image[int(box[3]) - 1, int(box[0])]


# Boxes


def test_a_box_is_drawn_around_the_detection_and_not_inside() -> None:
    before = frame(Detection((15, 10, 45, 30), 0.9, 1))
    after = draw_boxes(thickness=2, labels=False, scores=False)(before, EMPTY)
    mask = changed(before, after)
    assert extent(mask) == (15, 10, 45, 30)
    assert not mask[12:28, 17:43].any()
    assert mask.sum() == 2 * 2 * (30 + 20) - 4 * 4


def test_a_box_is_clipped_to_the_image_and_one_without_area_is_skipped() -> None:
    plain = draw_boxes(thickness=1, labels=False, scores=False)
    whole = frame(Detection((-9, -9, 999, 999), 0.9))
    assert changed(whole, plain(whole, EMPTY)).sum() == 2 * (320 + 240) - 4
    for box in ((30, 10, 30, 20), (40, 10, 30, 20), (400, 10, 500, 20), (-50, 10, -20, 20)):
        nothing = frame(Detection(box, 0.9))
        assert not changed(nothing, plain(nothing, EMPTY)).any()


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize(
    ("found", "options", "text"),
    [
        (Detection(BOX, 0.934, 0, "Fußgänger"), {}, "Fußgänger 93 %"),
        (Detection(BOX, 0.934, 7), {}, "7 93 %"),
        (Detection(BOX, 1.0), {}, "100 %"),
        (Detection(BOX, 0.934, 0, "car"), {"scores": False}, "car"),
        (Detection(BOX, 0.934, 0, "car"), {"labels": False}, "93 %"),
    ],
)
def test_label_and_score_are_drawn_above_a_box(
    found: Detection, options: dict[str, Any], text: str, size: tuple[int, int]
) -> None:
    after = draw_boxes(**options)(frame(found, size=size), EMPTY)
    ((left, top),) = places(after.image, text, FONT_SIZES[size], box_color(after.image))
    assert top == BOX[1] - line_height(FONT_SIZES[size])
    assert 0 < left - BOX[0] < FONT_SIZES[size]


def test_line_width_and_font_size_grow_with_the_image() -> None:
    for size, wanted in ((SMALL, 1), (LARGE, 4)):
        before = frame(Detection(BOX, 0.9), size=size)
        mask = changed(before, draw_boxes(labels=False, scores=False)(before, EMPTY))
        assert mask[120, : int(BOX[2]) - 20].sum() == wanted


corners = st.floats(-100, 420)


@given(corners, corners, st.text(max_size=30))
@settings(max_examples=settings().max_examples // 2)
def test_a_label_stays_inside_the_image_wherever_its_box_is(x: float, y: float, text: str) -> None:
    before = frame(Detection((x, y, x, y), 0.5, 0, "a" + text))  # a box without area: label only
    after = draw_boxes()(before, EMPTY)
    mask = changed(before, after)
    # Larger than the picture it cannot be, so a whole one has its own height.
    left, top, right, bottom = extent(mask)
    assert bottom - top == line_height(12)
    assert right - left >= min(320, text_mask("a 50 %", 12).shape[1])
    assert mask[top:bottom, left:right].mean() > 0.9


def test_a_label_without_space_above_its_box_is_drawn_inside_it() -> None:
    after = draw_boxes()(frame(Detection((100, 5, 180, 90), 0.9, 0, "car")), EMPTY)
    color = box_color(after.image, (100, 5, 180, 90))
    ((_, top),) = places(after.image, "car 90 %", 12, color)
    assert top == 5


def test_labels_are_drawn_above_all_boxes() -> None:
    below = Detection((100, 80, 180, 160), 0.9, 0, "first")
    above = Detection((90, 60, 200, 200), 0.9, 1, "second")
    after = draw_boxes(thickness=9)(frame(below, above), EMPTY)
    assert len(places(after.image, "first 90 %", 12, after.image[151, 140])) == 1


@pytest.mark.parametrize(
    ("attached", "what"),
    [
        ("no", "str"),
        (5, "int"),
        ([None], "list with a NoneType"),
        ([{"score": 1}], "list with a dict"),
    ],
)
def test_detections_of_another_type_are_named(attached: Any, what: str) -> None:
    expected = f"a hook attached `detections` as {what}, expected a list of flowrun.Detection"
    with pytest.raises(TypeError, match=expected):
        draw_boxes()(frame().attach(detections=attached), EMPTY)
    expected = f"a hook attached `classes` as {what}, expected a list of flowrun.Classification"
    with pytest.raises(TypeError, match=expected):
        draw_classes()(frame().attach(classes=attached), EMPTY)


def test_detections_below_the_minimum_score_are_omitted() -> None:
    weak, strong = Detection((0, 0, 50, 50), 0.4), Detection((100, 100, 150, 150), 0.5)
    before = frame(weak, strong)
    mask = changed(before, draw_boxes(min_score=0.5)(before, EMPTY))
    assert not mask[:60, :60].any()
    assert mask[100, 100:150].all()
    assert draw_boxes(min_score=0.7)(before, EMPTY) is before


def test_a_class_has_one_colour_and_other_classes_have_others() -> None:
    def color(**what: Any) -> tuple[int, ...]:
        return tuple(box_color(draw_boxes()(frame(Detection(BOX, 0.9, **what)), EMPTY).image))

    assert color(class_id=3) == color(class_id=3, label="car")
    assert len({color(class_id=n) for n in range(12)}) == 12
    assert color(label="car") == color(label="car")
    assert len({color(label=label) for label in ("car", "dog", "bus", "cat")}) > 1


def test_in_bgr_the_colours_look_the_same() -> None:
    before = frame(Detection(BOX, 0.9, 1, "car"))
    rgb, bgr = draw_boxes()(before, EMPTY), draw_boxes(color="bgr")(before, EMPTY)
    assert (bgr.image[:, :, ::-1] == rgb.image).all()
    assert (bgr.image != rgb.image).any()


# Texts


def test_a_recognized_text_is_drawn_above_its_box() -> None:
    after = draw_texts()(frame(Detection(BOX, 0.9, label="sign", text="Grüße")), EMPTY)
    ((left, top),) = places(after.image, "Grüße", 12, box_color(after.image))
    assert top == BOX[1] - line_height(12)
    assert 0 < left - BOX[0] < 12


def test_a_detection_without_text_has_a_box_only() -> None:
    before = frame(Detection(BOX, 0.9, label="text"))
    assert extent(changed(before, draw_texts(thickness=3)(before, EMPTY))) == BOX


def test_texts_look_the_same_in_rgb_and_in_bgr() -> None:
    image = draw_texts()(frame(Detection(BOX, 0.9, text="a")), EMPTY).image
    assert (image == image[:, :, ::-1]).all()


# Classes and clock


def test_the_likeliest_classes_are_drawn_one_below_the_other() -> None:
    classes = [Classification(3, 0.93, "cat"), Classification(8, 0.05), Classification(9, 0.02)]
    before = frame().attach(classes=classes)
    after = draw_classes(k=2)(before, EMPTY)
    ((x, y),) = places(after.image, "cat 93 %", 12, INKS[0])
    assert places(after.image, "8 5 %", 12, INKS[0]) == [(x, y + line_height(12))]
    assert extent(changed(before, after))[3] == 2 * line_height(12)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("hook", [lambda corner: draw_classes(corner=corner), draw_clock])
def test_a_panel_is_in_its_corner(corner: str, hook: Callable[[str], Any]) -> None:
    before = frame().attach(classes=[Classification(3, 0.93, "cat")])
    x0, y0, x1, y1 = extent(changed(before, hook(corner)(before, EMPTY)))
    assert x1 - x0 < 160
    assert y1 - y0 == line_height(12)
    assert (x0 == 0, y0 == 0) == (corner.endswith("left"), corner.startswith("top"))
    assert (x1 == 320, y1 == 240) == (corner.endswith("right"), corner.startswith("bottom"))


def test_a_panel_too_large_for_the_image_shows_its_beginning() -> None:
    before = frame(size=(16, 16)).attach(classes=[Classification(3, 0.9, "cat")] * 3)
    assert changed(before, draw_classes(corner="bottom-right")(before, EMPTY)).all()


def test_the_clock_shows_number_and_presentation_time_of_the_frame() -> None:
    after = draw_clock()(frame(), EMPTY)
    assert len(places(after.image, "#123 1:02:03.457", 12, INKS[0])) == 1


def test_with_the_time_of_day_the_clock_has_a_second_line() -> None:
    before = frame()
    after = draw_clock(wall=True)(before, EMPTY)
    assert extent(changed(before, after))[3] == 2 * line_height(12)


def test_the_time_of_day_is_that_at_which_the_frame_was_captured() -> None:
    captured_at_0 = frame()
    now = datetime(2024, 2, 3, 7, 0, 5)
    assert time_of_day(captured_at_0, now, clock=6.0) == "2024-02-03 06:59:59"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0:00:00.000"),
        (59.9996, "0:01:00.000"),
        (3599.999, "0:59:59.999"),
        (360_000.5, "100:00:00.500"),
        (-0.0001, "0:00:00.000"),
        (-61.25, "-0:01:01.250"),
    ],
)
def test_times_are_rounded_to_milliseconds(seconds: float, text: str) -> None:
    assert clock_time(seconds) == text


# All of them


@pytest.mark.parametrize("hook", [draw_boxes(), draw_texts(), draw_classes()])
def test_without_anything_to_draw_the_frame_is_unchanged(hook: Any) -> None:
    bare = frame()
    assert hook(bare, EMPTY) is bare


@pytest.mark.parametrize("hook", [draw_boxes(), draw_texts(), draw_classes(), draw_clock()])
def test_the_original_image_and_the_attached_data_are_unchanged(hook: Any) -> None:
    before = frame(Detection(BOX, 0.9, text="a")).attach(classes=[Classification(1, 0.5)])
    after = hook(before, EMPTY)
    assert (before.image == 100).all()
    assert (after.image != 100).any()
    assert after.data == before.data


@pytest.mark.parametrize(
    ("hook", "with_", "text"),
    [
        ("draw_boxes", {"thickness": 0}, "thickness: 0 is not an integer of at least 1"),
        ("draw_boxes", {"labels": "no"}, "labels: 'no' is not true or false"),
        ("draw_boxes", {"scores": 1}, "scores: 1 is not true or false"),
        ("draw_boxes", {"min_score": "50%"}, "min_score: '50%' is not a number"),
        ("draw_boxes", {"color": "red"}, "color: 'red' is not one of rgb, bgr"),
        ("draw_texts", {"thickness": 1.5}, "thickness: 1.5 is not an integer of at least 1"),
        ("draw_classes", {"k": 0}, "k: 0 is not an integer of at least 1"),
        (
            "draw_classes",
            {"corner": "top"},
            "corner: 'top' is not one of top-left, top-right, bottom-left, bottom-right",
        ),
        (
            "draw_clock",
            {"corner": ["top-left"]},
            "corner: ['top-left'] is not one of top-left, top-right, bottom-left, bottom-right",
        ),
        ("draw_clock", {"wall": "yes"}, "wall: 'yes' is not true or false"),
        ("picture", {"size": "full"}, "size: 'full' is not one of source, model"),
    ],
)
def test_invalid_options_of_postprocess_hooks_are_reported(
    hook: str, with_: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        open_hooks([HookSpec(f"flowrun.hooks.{hook}:{hook}", with_)], "postprocess")
    assert str(raised.value) == f"postprocess[0].with.{text}"


# Tracks, keypoints, masks and zones


def test_a_box_shows_the_number_of_its_track_in_a_color_of_its_own() -> None:
    found = Detection(BOX, 0.934, 0, "person", track_id=7)
    after = draw_boxes()(frame(found), EMPTY)
    assert places(after.image, "#7 person 93 %", 12, box_color(after.image))
    other = draw_boxes()(frame(replace(found, track_id=8)), EMPTY)
    assert (box_color(after.image) != box_color(other.image)).any()
    plain = draw_boxes(labels=False)(frame(found), EMPTY)
    assert places(plain.image, "93 %", 12, box_color(plain.image))


def test_a_rotated_box_is_drawn_rotated_by_its_angle() -> None:
    plain = draw_boxes(thickness=1, labels=False, scores=False)
    before = frame(Detection((60, 90, 160, 110), 0.9, angle=math.pi / 2))
    x0, y0, x1, y1 = extent(changed(before, plain(before, EMPTY)))
    assert (x0, y0, x1, y1) == pytest.approx((100, 50, 120, 150), abs=1.5)
    turned = frame(Detection((60, 90, 160, 110), 0.9, angle=math.pi / 4))
    mask = changed(turned, plain(turned, EMPTY))
    assert mask[125:145, 125:150].any()  # clockwise: the right end is lower
    assert not mask[55:75, 125:150].any()


def points(*at: tuple[float, float, float], **more: Any) -> Detection:
    return Detection(BOX, 0.9, 0, keypoints=at, **more)


def test_keypoints_are_discs_around_their_pixels() -> None:
    before = frame(points((50.5, 60.5, 0.9), (100.5, 60.5, 0.9)))
    mask = changed(before, draw_points(radius=3)(before, EMPTY))
    assert extent(mask) == (47, 57, 104, 64)
    assert extent(mask[:, :80]) == (47, 57, 54, 64)
    assert mask[60, 47:54].all()
    assert not mask[57, 47]


def test_a_skeleton_joins_points_that_both_have_the_score() -> None:
    before = frame(points((50, 60, 0.9), (100, 60, 0.9), (100, 120, 0.2)))
    hook = draw_points(radius=2, skeleton=[[0, 1], [1, 2]], min_score=0.3)
    mask = changed(before, hook(before, EMPTY))
    assert mask[59:62, 50:100].any(axis=0).all()
    assert not mask[70:].any()


def test_seventeen_points_have_the_skeleton_of_coco_by_default() -> None:
    at = [(10.0 + 17 * n, 20.0 + 10 * n, 0.9) for n in range(17)]
    before = frame(points(*at))
    drawn = draw_points()(before, EMPTY).image
    assert (drawn == draw_points(skeleton="coco")(before, EMPTY).image).all()
    assert (drawn != draw_points(skeleton=[])(before, EMPTY).image).any()


def test_a_skeleton_with_points_that_a_detection_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="has a point 16, the detection 2, from 0 on"):
        draw_points(skeleton="coco")(frame(points((1, 1, 0.9), (2, 2, 0.9))), EMPTY)


anywhere = st.floats(-1e12, 1e12) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(st.lists(st.tuples(anywhere, anywhere, st.floats(0, 1)), min_size=2, max_size=4))
def test_keypoints_may_be_anywhere(at: list[tuple[float, float, float]]) -> None:
    before = frame(points(*at))
    after = draw_points(skeleton=[[0, 1]])(before, EMPTY)
    assert after.image.shape == before.image.shape


def test_a_mask_is_tinted_by_the_opacity_and_nothing_else_is() -> None:
    pixels = np.array([[True, False], [True, True]])
    before = frame(Detection(BOX, 0.9, 1, mask=Mask(pixels, 318, 100, *SMALL)))
    after = draw_masks(opacity=0.25)(before, EMPTY)
    ink = np.array(draw_masks(opacity=1)(before, EMPTY).image[100, 318], float)
    mask = changed(before, after)
    assert (mask[100:102, 318:320] == pixels).all()
    assert mask.sum() == 3
    assert np.abs(after.image[100, 318] - (0.75 * 100 + 0.25 * ink)).max() <= 0.5
    assert draw_masks(min_score=0.95)(before, EMPTY) is before


def test_zones_and_lines_are_drawn_with_what_was_counted() -> None:
    counts = zones(
        zones={"yard": [[20, 120], [120, 120], [120, 200], [20, 200]]},
        lines={"door": [[200, 150], [300, 150]]},
    )
    before = counts(frame(Detection((50, 100, 70, 150), 0.9, track_id=1)), EMPTY)
    after = draw_zones(thickness=2)(before, EMPTY)
    mask = changed(before, after)
    zone, line = after.image[199, 70], after.image[150, 210]
    assert mask[119:121, 20:120].any(axis=0).all()
    assert mask[149:151, 200:300].any(axis=0).all()
    assert not mask[140:190, 30:110].any()
    assert places(after.image, "yard 1", 12, zone)
    assert places(after.image, "door in 0 out 0", 12, line)
    assert mask[152:166, 250].all()  # the arrow: in is down
    assert not mask[153:, [*range(200, 230), *range(270, 300)]].any()


def test_hooks_without_anything_to_draw_return_the_frame() -> None:
    before = frame(Detection(BOX, 0.9))
    for hook in (draw_points(), draw_masks(), draw_zones()):
        assert hook(before, EMPTY) is before


@pytest.mark.parametrize("hook", [draw_points, draw_masks, draw_zones])
def test_points_masks_and_zones_look_the_same_in_bgr(hook: Callable[..., Any]) -> None:
    mask = Mask(np.ones((9, 9), bool), 30, 100, *SMALL)
    found = Detection(BOX, 0.9, 4, keypoints=((50, 60, 0.9),), mask=mask)
    counts = zones(zones={"yard": [[20, 120], [120, 120], [120, 200]]})
    before = counts(frame(found), EMPTY)
    rgb, bgr = hook()(before, EMPTY).image, hook(color="bgr")(before, EMPTY).image
    assert (rgb == bgr[:, :, ::-1]).all()
    assert (rgb != bgr).any()


@pytest.mark.parametrize(
    ("hook", "key", "value"),
    [
        (draw_points, "skeleton", "body"), (draw_points, "skeleton", [[0, 1, 2]]),
        (draw_points, "skeleton", [[0, -1]]), (draw_points, "radius", 0),
        (draw_masks, "opacity", 1.5), (draw_zones, "thickness", 0),
    ],
)  # fmt: skip
def test_an_invalid_option_of_a_drawing_is_an_error_at_its_key(
    hook: Callable[..., Any], key: str, value: Any
) -> None:
    with pytest.raises(InvalidFlowError) as caught:
        hook(**{key: value})
    assert caught.value.key == key
