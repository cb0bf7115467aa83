"""`decode_mask`, compared with a plain reference that goes through the pixels one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.detection import Detection, Mask, detections_of
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.decode_mask import decode_mask
from flowrun.inference import Result
from flowrun.view import View

about: Any = pytest.approx


def frame(width: int, height: int, view: View | None = None) -> Frame:
    image = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    return Frame(image, 7, 0.0, 0.0, 0.0, view=view)


def found(decode: decode_mask, tensor: Any, of: Frame) -> list[Detection]:
    return list(detections_of(decode(of, Result({"out": tensor}))))


def whole(mask: Mask | None) -> Any:
    """The mask on the whole picture."""
    assert mask is not None
    picture = np.zeros((mask.height, mask.width), bool)
    height, width = mask.pixels.shape
    picture[mask.top : mask.top + height, mask.left : mask.left + width] = mask.pixels
    return picture


def expected(ids: Any, of: Frame, class_id: int) -> Any:
    """The pixels of the source whose centre is in a pixel of that class."""
    view, picture = of.seen, np.zeros((of.height, of.width), bool)
    for row in range(of.height):
        for column in range(of.width):
            u = (column + 0.5 - view.left) / view.x_scale / view.width * ids.shape[1]
            v = (row + 0.5 - view.top) / view.y_scale / view.height * ids.shape[0]
            if 0 <= u < ids.shape[1] and 0 <= v < ids.shape[0]:
                picture[row, column] = ids[int(v), int(u)] == class_id
    return picture


@st.composite
def views(draw: st.DrawFn) -> Frame:
    """A small frame of odd size that the model sees letterboxed, stretched or cropped."""
    width, height = draw(st.integers(3, 31)), draw(st.integers(3, 31))
    view = View(width, height)
    how = draw(st.sampled_from(["letterboxed", "stretched", "cropped"]))
    if how == "cropped":
        view = view.cut(1, 2, max(1, width - 3), max(1, height - 3))
    view = view.resized(64, 33)
    return frame(width, height, view.cut(0, -15, 64, 64) if how == "letterboxed" else view)


@given(views(), st.integers(0, 1000), st.sampled_from(["map", "fp32 map", "planes", "last"]))
def test_each_class_has_the_mask_of_the_reference(of: Frame, seed: int, how: str) -> None:
    random = np.random.default_rng(seed)
    ids = random.integers(0, 4, (5, 7))
    ids[0, 0] = 3  # a map of 0 and 1 alone would be probabilities, if it is FP32
    ids = np.kron(ids, np.ones((3, 2), np.int64))
    one_hot = (np.arange(4)[:, None, None] == ids).astype(np.float32)
    tensor = {
        "map": ids[None],
        "fp32 map": ids[None, None].astype(np.float32),
        "planes": one_hot[None],
        "last": one_hot.transpose(1, 2, 0)[None],
    }[how]
    made = {it.class_id: it for it in found(decode_mask(), tensor, of)}
    for class_id in range(1, 4):
        wanted = expected(ids, of, class_id)
        if not wanted.any():
            assert class_id not in made
            continue
        detection = made.pop(class_id)
        assert (whole(detection.mask) == wanted).all()
        rows, columns = np.nonzero(wanted)
        x0, y0, x1, y1 = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert detection.box == (x0, y0, x1, y1)
        assert detection.score == 1
    assert made == {}  # and no background


OF = frame(4, 2)
LOGITS = np.array([[[0, 5, 0, 0], [0, 0, 0, 0]], [[1, 0, 1, 1], [1, 1, 1, 9]]], np.float32)


def test_a_score_is_the_mean_of_the_probabilities_of_its_pixels() -> None:
    (one,) = found(decode_mask(activation="softmax", labels=["road", "car"]), LOGITS[None], OF)
    assert one.label == "car"
    usual, sure = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-9))
    assert one.score == about((6 * usual + sure) / 7)
    (one,) = found(decode_mask(activation="sigmoid"), LOGITS[None], OF)
    assert one.score == about((6 * usual + sure) / 7)


def test_pixels_below_the_threshold_have_no_class() -> None:
    (one,) = found(decode_mask(activation="softmax", threshold=0.99), LOGITS[None], OF)
    assert one.box == (3, 1, 4, 2)
    both = found(decode_mask(activation="softmax", background=None), LOGITS[None], OF)
    assert [it.class_id for it in both] == [0, 1]


@pytest.mark.parametrize("shape", [(2, 4), (1, 2, 4), (1, 1, 2, 4), (1, 2, 4, 1)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_one_value_for_each_pixel_is_the_probability_of_class_1(
    shape: tuple[int, ...], dtype: Any
) -> None:
    values = np.array([[0.9, 0.7, 0.1, 0.2], [0.4, math.nan, 0.5, 0.0]], dtype).reshape(shape)
    (one,) = found(decode_mask(), values, OF)
    assert (one.class_id, one.score) == (1, about(0.7, abs=1e-3))
    assert whole(one.mask).tolist() == [[True, True, False, False], [False, False, True, False]]
    assert found(decode_mask(threshold=0.95), values, OF) == []
    assert found(decode_mask(), np.zeros(shape, dtype), OF) == []
    logits = np.full(shape, 3, dtype)
    (one,) = found(decode_mask(activation="sigmoid"), logits, OF)
    assert one.score == about(1 / (1 + math.exp(-3)), abs=1e-3)


def test_classes_are_kept_by_id_or_label() -> None:
    ids = np.array([[0, 1, 2, 2], [0, 0, 0, 0]])
    decode = decode_mask(labels={2: "car"}, classes=["car"])
    assert [it.label for it in found(decode, ids, OF)] == ["car"]
    assert [it.class_id for it in found(decode_mask(classes=[1]), ids, OF)] == [1]


def test_an_empty_response_has_no_detections() -> None:
    assert decode_mask()(OF, Result({}, responses=0)).data == {"detections": ()}
    assert found(decode_mask(), np.zeros((1, 0, 4), np.int64), OF) == []


@pytest.mark.parametrize(
    ("with_", "tensor", "text"),
    [
        (
            {},
            LOGITS,
            "output 'out' has values from 0 to 9, expected probabilities from 0 to 1: write"
            " `activation: softmax` (one class for each pixel) or `activation: sigmoid`",
        ),
        (
            {},
            np.zeros((2, 3, 4, 5), np.float32),
            "output 'out' is float32 with shape (2, 3, 4, 5), expected numbers with shape"
            " (classes, height, width)",
        ),
        (
            {},
            np.zeros((2, 3, 4), np.int64),
            "output 'out' is int64 with shape (2, 3, 4), expected class ids with shape"
            " (height, width)",
        ),
        (
            {"activation": "softmax"},
            np.zeros((1, 3, 4), np.float32),
            "output 'out' is float32 with shape (1, 3, 4), expected several classes, or"
            " `activation: sigmoid`",
        ),
    ],
)
def test_an_output_that_cannot_be_read_is_reported(with_: Any, tensor: Any, text: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        found(decode_mask(**with_), tensor, OF)
    assert str(raised.value) == text


def test_an_invalid_option_is_reported_before_the_first_frame() -> None:
    with pytest.raises(InvalidFlowError) as raised:
        decode_mask(background=-1)
    assert str(raised.value) == "background: -1 is not an integer of at least 0"
