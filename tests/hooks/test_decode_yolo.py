"""`decode_yolo`, compared with a plain reference that goes through the candidates one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.detection import Detection, detections_of
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.decode_yolo import decode_yolo
from flowrun.inference import Result
from flowrun.view import Box, View

NAN, INF = math.nan, math.inf
about: Any = pytest.approx
THRESHOLD, IOU = 0.25, 0.45
LAYOUTS = ["v8", "v8 in rows", "v5", "end2end"]


@dataclass
class Candidate:
    """A candidate of a model: a box (corners) in pixels of its image, and a score for each class.
    `extra` are the values that follow."""

    box: Box
    scores: list[float]
    objectness: float = 1.0
    extra: list[float] = field(default_factory=list)

    @property
    def class_id(self) -> int:
        return self.scores.index(max(self.scores))

    @property
    def score(self) -> float:
        return max(self.scores)

    @property
    def center(self) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0


def output_of(
    candidates: list[Candidate], layout: str, classes: int, extra: int = 0, dtype: Any = np.float32
) -> Any:
    """The output of a model that has these candidates, and worthless ones up to its usual size."""
    if layout == "end2end":
        rows = [[*c.box, c.score, c.class_id, *c.extra] for c in candidates]
        width, count = 6 + extra, 300
    else:
        objectness = [[c.objectness] if layout == "v5" else [] for c in candidates]
        rows = [
            [*c.center, *o, *(s / c.objectness if o else s for s in c.scores), *c.extra]
            for c, o in zip(candidates, objectness, strict=True)
        ]
        width, count = 4 + (layout == "v5") + classes + extra, 2100
    table = np.zeros((1, count, width), dtype)
    for number, row in enumerate(rows):
        table[0, number * 11 % count] = row
    return table.transpose(0, 2, 1).copy() if layout == "v8" else table


def options_of(layout: str) -> dict[str, Any]:
    return {"layout": "v8"} if layout == "v8 in rows" else {}


def frame(width: int, height: int, view: View | None = None) -> Frame:
    image = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    return Frame(image, 7, 0.0, 0.0, 0.0, view=view)


def found(decode: Any, of: Frame, **outputs: Any) -> list[Detection]:
    return list(detections_of(decode(of, Result(outputs))))


# The reference.


def iou(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)


def expected(candidates: list[Candidate], of: Frame, *, suppress: bool) -> list[Detection]:
    view, kept = of.seen, list[Candidate]()
    for each in sorted(candidates, key=lambda c: -c.score):
        numbers = [*each.box, *each.scores, *each.extra]
        if each.score < THRESHOLD or not all(map(math.isfinite, numbers)):
            continue
        rivals = [c for c in kept if c.class_id == each.class_id] if suppress else []
        if all(iou(c.box, each.box) <= IOU for c in rivals):
            kept.append(each)
    detections = []
    for each in kept:
        x0, y0 = (each.box[0] * view.x_scale + view.left, each.box[1] * view.y_scale + view.top)
        x1, y1 = (each.box[2] * view.x_scale + view.left, each.box[3] * view.y_scale + view.top)
        box = (max(x0, 0), max(y0, 0), min(x1, of.width), min(y1, of.height))
        if box[0] < box[2] and box[1] < box[3]:
            detections.append(Detection(box, each.score, each.class_id))
    return detections


def assert_same(made: list[Detection], wanted: list[Detection]) -> None:
    assert len(made) == len(wanted)
    for one, other in zip(made, wanted, strict=True):
        assert one.box == about(other.box, abs=0.05)
        assert one.score == about(other.score, abs=1e-3)
        assert one.class_id == other.class_id


@st.composite
def views(draw: st.DrawFn) -> Frame:
    """A frame of any size that the model sees letterboxed, stretched or cropped."""
    width, height = draw(st.integers(17, 1999)), draw(st.integers(17, 1999))
    size = draw(st.sampled_from([320, 640, 641]))
    whole = View(width, height)
    how = draw(st.sampled_from(["letterboxed", "stretched", "cropped"]))
    if how == "stretched":
        return frame(width, height, whole.resized(size, 480))
    if how == "cropped":
        left, top = draw(st.integers(0, width // 2)), draw(st.integers(0, height // 2))
        return frame(width, height, whole.cut(left, top, width // 2, height // 2).resized(size, 99))
    scale = size / max(width, height)
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    return frame(width, height, whole.resized(*inner).cut(-left, -top, size, size))


@st.composite
def candidates(draw: st.DrawFn, classes: int) -> list[Candidate]:
    """Objects, each with copies that are a little off, so that their IoU is above or below the
    threshold, but not close to it; no two scores are the same."""
    made: list[Candidate] = []
    place = st.integers(0, 600)
    for _ in range(draw(st.integers(0, 6))):
        x, y = draw(place), draw(place)
        width, height = draw(st.integers(20, 200)), draw(st.integers(20, 200))
        class_id = draw(st.integers(0, classes - 1))
        for _ in range(draw(st.integers(1, 4))):
            off = draw(st.sampled_from([0.0, 0.1, 0.2, 0.6, 0.8])) * width
            score = draw(st.sampled_from([0.1, 0.2, 0.5, 0.7, 0.9])) + len(made) * 1e-3
            scores = [0.01] * classes
            scores[class_id] = score
            made.append(Candidate((x + off, y, x + off + width, y + height), scores, 0.98))
    return made


def separable(made: list[Candidate]) -> bool:
    """Whether no IoU is so close to the threshold that rounding decides."""
    return all(abs(iou(a.box, b.box) - IOU) > 1e-3 for a in made for b in made)


@pytest.mark.parametrize("layout", LAYOUTS)
@given(views(), candidates(classes=3))
def test_every_layout_gives_the_boxes_of_the_reference_in_pixels_of_the_source(
    layout: str, of: Frame, drawn: list[Candidate]
) -> None:
    if not separable(drawn):
        return
    made = found(decode_yolo(**options_of(layout)), of, output0=output_of(drawn, layout, 3))
    assert_same(made, expected(drawn, of, suppress=layout != "end2end"))


CAR = Candidate((100, 100, 300, 200), [0.1, 0.9])
PERSON = Candidate((110, 100, 310, 200), [0.8, 0.1])
SAME = Candidate((110, 100, 310, 200), [0.1, 0.7])
SQUARE = frame(640, 640)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_half_and_single_precision_give_the_same(layout: str, dtype: Any) -> None:
    tensor = output_of([CAR, PERSON], layout, 2, dtype=dtype)
    layout_option = {"layout": layout} if layout == "end2end" else options_of(layout)
    made = found(decode_yolo(labels=["person", "car"], **layout_option), SQUARE, output0=tensor)
    assert [(it.label, it.score) for it in made] == [
        ("car", about(0.9, abs=1e-3)),
        ("person", about(0.8, abs=1e-3)),
    ]
    assert made[0].box == about(CAR.box, abs=0.1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_that_finds_nothing_adds_no_detections(layout: str) -> None:
    decode = decode_yolo(**options_of(layout))
    assert found(decode, SQUARE, output0=output_of([], layout, 2)) == []
    assert list(detections_of(decode(SQUARE, Result({}, responses=0)))) == []


@pytest.mark.parametrize("shape", [(1, 84, 0), (1, 0, 85), (1, 0, 6), (0, 6)])
def test_an_output_without_candidates_is_no_error(shape: tuple[int, ...]) -> None:
    assert found(decode_yolo(), SQUARE, output0=np.zeros(shape, np.float32)) == []


@pytest.mark.parametrize("count", range(1, 12))
def test_a_few_rows_after_nms_are_no_other_layout(count: int) -> None:
    rows = np.tile(np.array([10, 20, 30, 40, 0.5, 3], np.float32), (1, count, 1))
    made = found(decode_yolo(), SQUARE, output0=rows)
    assert [it.box for it in made] == [(10, 20, 30, 40)] * count


def test_only_boxes_of_the_same_class_suppress_each_other() -> None:
    tensor = output_of([CAR, PERSON, SAME], "v8", 2)
    assert [it.class_id for it in found(decode_yolo(), SQUARE, output0=tensor)] == [1, 0]
    assert len(found(decode_yolo(iou=0.99), SQUARE, output0=tensor)) == 3


def test_at_most_max_detections_remain_the_best_ones() -> None:
    many = [
        Candidate(
            (n % 40 * 15.0, n // 40 * 15.0, n % 40 * 15 + 10, n // 40 * 15 + 10), [0.3 + n / 3000]
        )
        for n in range(1600)
    ]
    tensor = output_of(many, "v8", 1)
    scores = [it.score for it in found(decode_yolo(), SQUARE, output0=tensor)]
    assert scores == about([0.3 + n / 3000 for n in range(1599, 1299, -1)], abs=1e-5)
    assert len(found(decode_yolo(max_detections=1600), SQUARE, output0=tensor)) == 1600


@pytest.mark.parametrize("layout", ["v8", "v5", "end2end"])
@pytest.mark.parametrize("number", [NAN, INF, -INF])
def test_rows_with_a_number_that_is_not_finite_are_omitted(layout: str, number: float) -> None:
    for place in range(4):
        box = list(CAR.box)
        box[place] = number
        wrong = Candidate((box[0], box[1], box[2], box[3]), [0.1, 0.95])
        with np.errstate(invalid="ignore"):
            tensor = output_of([wrong, CAR], layout, 2)
        assert len(found(decode_yolo(), SQUARE, output0=tensor)) == 1
    tensor = output_of([Candidate(CAR.box, [0.1, NAN]), CAR], layout, 2)
    assert len(found(decode_yolo(), SQUARE, output0=tensor)) == 1


def test_classes_are_kept_by_id_or_by_label() -> None:
    tensor = output_of([CAR, PERSON], "v8", 2)
    for classes in ([1], ["car"], ["1"], 1, "car"):
        decode = decode_yolo(labels=["person", "car"], classes=classes)
        assert [it.label for it in found(decode, SQUARE, output0=tensor)] == ["car"]
    assert len(found(decode_yolo(classes=[0, 1]), SQUARE, output0=tensor)) == 2
    assert found(decode_yolo(classes=[7]), SQUARE, output0=tensor) == []


def test_the_labels_of_coco_are_numbered_from_0_without_gaps() -> None:
    last = Candidate(CAR.box, [0.0] * 79 + [0.9])
    tensor = output_of([last, Candidate((0, 0, 9, 9), [0.8] + [0.0] * 79)], "v8", 80)
    made = found(decode_yolo(labels="coco"), SQUARE, output0=tensor)
    assert [it.label for it in made] == ["toothbrush", "person"]


POINTS = [[(10.0, 20.0, 0.9), (640.0, 700.0, 0.1)], [(0.0, 0.0, 0.0), (320.0, 320.0, 1.0)]]


@pytest.mark.parametrize("layout", ["v8", "v5", "end2end"])
@given(views())
def test_key_points_are_in_pixels_of_the_source_also_outside_its_picture(
    layout: str, of: Frame
) -> None:
    box = (0.0, 0.0, float(of.seen.width), float(of.seen.height))
    person = Candidate(box, [0.9], extra=[value for point in POINTS[0] for value in point])
    tensor = output_of([person], layout, 1, extra=6)
    decode = decode_yolo(keypoints=2, layout=layout)
    (made,) = found(decode, of, output0=tensor)
    view = of.seen
    assert made.keypoints is not None
    for (x, y, score), (found_x, found_y, found_score) in zip(
        POINTS[0], made.keypoints, strict=True
    ):
        assert found_x == about(view.left + x * view.x_scale, abs=0.1)
        assert found_y == about(view.top + y * view.y_scale, abs=0.1)
        assert found_score == about(score)


def reference_mask(of: Frame, box: Box, prototypes: Any, coefficients: Any) -> Any:
    """Pixel by pixel: the prototypes at its centre, interpolated linearly."""
    view, mask = of.seen, np.zeros((of.height, of.width), bool)
    _, height, width = prototypes.shape
    for row in range(of.height):
        for column in range(of.width):
            x, y = column + 0.5, row + 0.5
            u = (x - view.left) / view.x_scale / view.width
            v = (y - view.top) / view.y_scale / view.height
            inside = box[0] <= x < box[2] and box[1] <= y < box[3]
            if not inside or not 0 <= u < 1 or not 0 <= v < 1:
                continue
            px = min(max(u * width - 0.5, 0), width - 1)
            py = min(max(v * height - 0.5, 0), height - 1)
            x0, y0 = int(px), int(py)
            x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
            values = np.tensordot(coefficients, prototypes, 1)
            top = values[y0, x0] * (x0 + 1 - px) + values[y0, x1] * (px - x0)
            bottom = values[y1, x0] * (x0 + 1 - px) + values[y1, x1] * (px - x0)
            value = top * (y0 + 1 - py) + bottom * (py - y0)
            mask[row, column] = 1 / (1 + math.exp(-value)) >= 0.5
    return mask


@pytest.mark.parametrize("layout", ["v8", "v5", "end2end"])
@pytest.mark.parametrize(
    "view",
    [
        View(37, 23).resized(64, 40).cut(0, -12, 64, 64),
        View(37, 23).resized(32, 64),
        View(37, 23).cut(5, 3, 20, 11).resized(64, 64),
    ],
    ids=["letterboxed", "stretched", "cropped"],
)
def test_masks_are_those_of_the_reference(layout: str, view: View) -> None:
    random = np.random.default_rng(1)
    of = frame(37, 23, view)
    prototypes = random.normal(0, 1, (4, 16, 16)).astype(np.float32)
    coefficients = random.normal(0, 1, 4).astype(np.float32)
    thing = Candidate((3.0, 15.0, 60.0, 50.0), [0.1, 0.9], extra=coefficients.tolist())
    tensor = output_of([thing], layout, 2, extra=4)
    decode = decode_yolo(masks="output1", layout=layout)
    (made,) = found(decode, of, output0=tensor, output1=prototypes[None])
    assert made.mask is not None
    assert (made.mask.width, made.mask.height) == (37, 23)
    wanted = reference_mask(of, made.box, prototypes, coefficients)
    assert (whole(made) != wanted).sum() <= 1  # where the sum is 0 but for rounding
    assert wanted.any()


def whole(made: Detection) -> Any:
    """Its mask on the whole picture."""
    mask = made.mask
    assert mask is not None
    picture = np.zeros((mask.height, mask.width), bool)
    height, width = mask.pixels.shape
    picture[mask.top : mask.top + height, mask.left : mask.left + width] = mask.pixels
    return picture


def corners(box: Any, angle: Any) -> Any:
    """The corners of a rotated box, in the order of its sides."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    w, h = (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
    cos, sin = math.cos(angle), math.sin(angle)
    unrotated = [(-w, -h), (w, -h), (w, h), (-w, h)]
    return np.array([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in unrotated])


@given(
    st.floats(-math.pi / 2, math.pi),
    st.floats(20, 200),
    st.floats(20, 200),
    st.sampled_from(["v8", "end2end"]),
)
def test_oriented_boxes_keep_their_corners_where_the_scale_is_equal(
    angle: float, width: float, height: float, layout: str
) -> None:
    view = View(1280, 720).resized(640, 360).cut(0, -140, 640, 640)
    box = (320 - width / 2, 320 - height / 2, 320 + width / 2, 320 + height / 2)
    row = [320, 320, width, height]
    values = [0.9, 0.0, angle]  # scores of two classes, or score and class
    tensor = np.zeros((1, 2100 if layout == "v8" else 300, 7), np.float32)
    tensor[0, 5] = [*row, *values]
    if layout == "v8":
        tensor = tensor.transpose(0, 2, 1)
    (made,) = found(decode_yolo(task="obb"), frame(1280, 720, view), output0=tensor)
    assert made.angle == about(angle, abs=1e-4)
    moved = view.points_to_source(corners(box, angle))
    assert corners(made.box, made.angle) == about(moved, abs=0.1)


def test_in_a_stretched_view_an_oriented_box_keeps_centre_area_and_longer_side() -> None:
    view = View(1280, 640).resized(640, 640)
    tensor = np.zeros((1, 6, 2100), np.float32)
    tensor[0, :, 0] = [320, 320, 200, 20, 0.9, math.pi / 4]
    (made,) = found(decode_yolo(task="obb"), frame(1280, 640, view), output0=tensor)
    x0, y0, x1, y1 = made.box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == about((640, 320), abs=1e-3)
    assert (x1 - x0) * (y1 - y0) == about(200 * 20 * 2, rel=1e-4)
    assert made.angle == about(math.atan2(1, 2), abs=1e-4)
    assert x1 - x0 == about(200 * math.hypot(2, 1) / math.sqrt(2), rel=1e-4)


def test_oriented_boxes_that_cross_are_different_objects() -> None:
    tensor = np.zeros((1, 6, 2100), np.float32)
    tensor[0, :, 0] = [320, 320, 200, 20, 0.9, 0]
    tensor[0, :, 1] = [320, 320, 200, 20, 0.8, math.pi / 2]
    tensor[0, :, 2] = [321, 320, 200, 20, 0.7, 0.02]
    made = found(decode_yolo(task="obb"), SQUARE, output0=tensor)
    assert [it.score for it in made] == about([0.9, 0.8])


def test_the_output_is_the_only_one_or_output0() -> None:
    tensor, other = output_of([CAR], "v8", 2), np.zeros((1, 3), np.float32)
    assert len(found(decode_yolo(), SQUARE, any=tensor)) == 1
    assert len(found(decode_yolo(), SQUARE, other=other, output0=tensor)) == 1
    assert len(found(decode_yolo(output="boxes"), SQUARE, other=other, boxes=tensor)) == 1
    with pytest.raises(ValueError, match="has the outputs 'a', 'b'; choose one"):
        found(decode_yolo(), SQUARE, a=tensor, b=other)


@pytest.mark.parametrize(
    ("with_", "tensor", "text"),
    [
        (
            {},
            np.zeros((1, 25200, 6), np.float32),
            "output 'output0' is float32 with shape (1, 25200, 6), expected a shape with one"
            " meaning: write `layout: v5` (one class and objectness), `layout: v8` (two classes, no"
            " objectness) or `layout: end2end` (after NMS)",
        ),
        (
            {},
            np.zeros((1, 3, 8400), np.float32),
            "output 'output0' is float32 with shape (1, 3, 8400), expected numbers with shape"
            " (1, 4 + classes, n)",
        ),
        (
            {"keypoints": 17},
            np.zeros((1, 8400, 50), np.float32),
            "output 'output0' is float32 with shape (1, 8400, 50), expected numbers with shape"
            " (1, n, 5 + classes + 51)",
        ),
        (
            {"layout": "end2end"},
            np.zeros((1, 84, 8400), np.float32),
            "output 'output0' is float32 with shape (1, 84, 8400), expected numbers with shape"
            " (1, n, 6)",
        ),
        (
            {},
            np.zeros((2, 84, 8400), np.float32),
            "output 'output0' is float32 with shape (2, 84, 8400), expected numbers with shape"
            " (1, 4 + classes, n) or (1, n, 5 + classes) or (1, n, 6)",
        ),
        (
            {},
            np.zeros((1, 84, 8400), np.int8),
            "output 'output0' is int8 with shape (1, 84, 8400), expected FP16 or FP32",
        ),
        (
            {},
            np.full((1, 56, 8400), 300, np.float32),
            "output 'output0' is not as expected: it has scores up to 300, expected 0 to 1: are"
            " these values of key points, masks or angles (options `keypoints`, `masks`, `task`),"
            " or is it another `layout`?",
        ),
    ],
)
def test_an_output_that_cannot_be_read_is_reported_with_the_option_that_decides(
    with_: Any, tensor: Any, text: str
) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        found(decode_yolo(**with_), SQUARE, output0=tensor)
    assert str(raised.value) == text


def test_prototypes_of_another_shape_are_reported() -> None:
    tensor = output_of([], "v8", 2, extra=4)
    with pytest.raises(ValueError, match=r"'p' is float32 .* expected prototypes"):
        found(decode_yolo(masks="p"), SQUARE, output0=tensor, p=np.zeros((4, 8, 8), np.float32))


@pytest.mark.parametrize(
    ("with_", "text"),
    [
        ({"layout": "v6"}, "layout: 'v6' is not one of auto, v5, v8, end2end"),
        ({"threshold": "half"}, "threshold: 'half' is not a number"),
        ({"keypoints": -1}, "keypoints: -1 is not an integer of at least 0"),
        (
            {"classes": ["cat"], "labels": ["car", "dog"]},
            "classes: 'cat' is not a class id or a label\n  did you mean `car`?",
        ),
        (
            {"classes": ["cat"]},
            "classes: 'cat' is not a class id or a label\n"
            "  labels are those of the option `labels`",
        ),
        (
            {"task": "obb", "keypoints": 2},
            "task: 'obb' is not possible together with `keypoints` or `masks`",
        ),
        (
            {"masks": "output1", "keypoints": 2},
            "masks: 'output1' is not possible together with `keypoints`",
        ),
    ],
)
def test_an_invalid_option_is_reported_before_the_first_frame(with_: Any, text: str) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        decode_yolo(**with_)
    assert str(raised.value) == text
