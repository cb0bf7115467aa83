"""The hooks that draw detections, classes, texts and the time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrun.detection import Classification, Detection, with_detections
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame, Image
from flowrun.hooks.draw_boxes import draw_boxes
from flowrun.hooks.draw_classes import draw_classes
from flowrun.hooks.draw_clock import clock_time, draw_clock, time_of_day
from flowrun.hooks.draw_texts import draw_texts
from flowrun.hooks.loader import open_hooks
from flowrun.hooks.support.drawing import CORNERS
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
