"""`decode_detr`, compared with a plain reference that goes through the queries one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.detection import Detection, detections_of
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.decode_detr import decode_detr
from flowrun.inference import Result
from flowrun.view import View

about: Any = pytest.approx
NAN = math.nan


def frame(width: int = 1280, height: int = 720, view: View | None = None) -> Frame:
    image = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    return Frame(image, 7, 0.0, 0.0, 0.0, view=view)


def found(decode: decode_detr, boxes: Any, logits: Any, of: Frame | None = None) -> list[Detection]:
    result = Result({"pred_boxes": np.asarray(boxes), "logits": np.asarray(logits)})
    return list(detections_of(decode(of or frame(), result)))


def probabilities(logits: list[float], activation: str) -> list[float]:
    if activation == "sigmoid":
        return [1 / (1 + math.exp(-value)) for value in logits]
    total = sum(math.exp(value) for value in logits)
    return [math.exp(value) / total for value in logits][:-1]


logit = st.floats(-6, 6, width=16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@given(
    st.lists(st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9), st.tuples(logit, logit, logit)),
             max_size=8),
    st.tuples(st.integers(20, 2000), st.integers(20, 2000)),
    st.sampled_from(["stretched", "letterboxed"]),
)  # fmt: skip
def test_the_best_class_of_each_query_is_that_of_the_reference(
    dtype: Any, activation: str, queries: Any, size: tuple[int, int], how: str
) -> None:
    width, height = size
    view = View(width, height).resized(640, 400)
    view = view if how == "stretched" else view.cut(0, -120, 640, 640)
    of = frame(width, height, view)
    boxes = np.array([[x, y, 0.1, 0.2] for x, y, _ in queries], dtype).reshape(1, -1, 4)
    logits = np.array([each for _, _, each in queries], dtype).reshape(1, -1, 3)
    made = iter(found(decode_detr(activation=activation), boxes, logits, of))
    for (x, y, w, h), values in zip(boxes[0].tolist(), logits[0].tolist(), strict=True):
        scores = probabilities(values, activation)
        if abs(max(scores) - 0.5) < 1e-6:
            return  # rounding decides
        corners = view.to_source(
            ((x - w / 2) * view.width, (y - h / 2) * view.height,
             (x + w / 2) * view.width, (y + h / 2) * view.height)
        )  # fmt: skip
        box = (
            max(corners[0], 0),
            max(corners[1], 0),
            min(corners[2], width),
            min(corners[3], height),
        )
        if max(scores) < 0.5 or box[0] >= box[2] or box[1] >= box[3]:
            continue
        detection = next(made)
        assert detection.box == about(box, abs=0.01)
        assert detection.score == about(max(scores))
        assert scores[detection.class_id or 0] == about(max(scores))
    assert next(made, None) is None


CENTER = [[[0.5, 0.5, 0.2, 0.2]]]


def test_the_last_class_of_softmax_is_nothing() -> None:
    assert found(decode_detr(activation="softmax"), CENTER, [[[0.0, 1.0, 5.0]]]) == []
    (made,) = found(decode_detr(activation="softmax"), CENTER, [[[0.0, 5.0, 1.0]]])
    assert made.class_id == 1


def test_scores_may_be_ready_and_classes_chosen_by_label() -> None:
    scores = [[[0.1, 0.9], [0.7, 0.2]]]
    boxes = np.array([[[0.5, 0.5, 0.2, 0.2], [0.2, 0.2, 0.1, 0.1]]])
    decode = decode_detr(activation="none", labels=["person", "car"])
    assert [it.label for it in found(decode, boxes, scores)] == ["car", "person"]
    decode = decode_detr(activation="none", labels=["person", "car"], classes=["person"])
    assert [it.label for it in found(decode, boxes, scores)] == ["person"]


@pytest.mark.parametrize(("classes", "class_id", "label"), [(80, 2, "car"), (91, 3, "car")])
def test_the_labels_of_coco_follow_the_number_of_classes(
    classes: int, class_id: int, label: str
) -> None:
    logits = np.full((1, 1, classes), -9.0)
    logits[..., class_id] = 9
    (made,) = found(decode_detr(labels="coco", classes=["car"]), CENTER, logits)
    assert (made.class_id, made.label) == (class_id, label)


def test_no_queries_and_no_outputs_are_no_detections() -> None:
    assert found(decode_detr(), np.zeros((1, 0, 4)), np.zeros((1, 0, 80))) == []
    assert decode_detr()(frame(), Result({}, responses=0)).data == {"detections": ()}


@pytest.mark.parametrize("number", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "none"])
def test_queries_with_a_number_that_is_not_finite_are_omitted(
    number: float, activation: str
) -> None:
    scores = [0.1, 0.9, 0.0] if activation == "none" else [-9.0, 9.0, -9.0]
    boxes = np.array([[[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]]])
    for place in range(4):
        wrong = boxes.copy()
        wrong[0, 0, place] = number
        made = found(decode_detr(activation=activation), wrong, [[scores, scores]])
        assert len(made) == 1
    if math.isnan(number):
        made = found(decode_detr(activation=activation), boxes, [[[number] * 3, scores]])
        assert len(made) == 1


@pytest.mark.parametrize(
    ("boxes", "logits", "text"),
    [
        (
            np.zeros((1, 300, 5)),
            np.zeros((1, 300, 80)),
            "output 'pred_boxes' is float64 with shape (1, 300, 5), expected numbers with shape"
            " (n, 4)",
        ),
        (
            np.zeros((1, 300, 4)),
            np.zeros((1, 200, 80)),
            "output 'logits' is float64 with shape (1, 200, 80), expected numbers with shape"
            " (1, 300, classes)",
        ),
    ],
)
def test_outputs_of_another_shape_are_reported(boxes: Any, logits: Any, text: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        found(decode_detr(), boxes, logits)
    assert str(raised.value) == text


def test_an_unknown_activation_is_reported() -> None:
    with pytest.raises(InvalidFlowError) as raised:
        decode_detr(activation="relu")
    assert str(raised.value) == "activation: 'relu' is not one of sigmoid, softmax, none"
