"""The hooks that decode outputs of a model: boxes, classes and texts in pixels of the source."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.detection import Classification, Detection, classes_of, detections_of
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.decode_boxes import decode_boxes
from flowrun.hooks.decode_classes import decode_classes
from flowrun.hooks.decode_ctc import decode_ctc
from flowrun.hooks.decode_ssd import decode_ssd
from flowrun.hooks.decode_tensorflow import decode_tensorflow
from flowrun.inference import Result
from flowrun.view import Box, View

NAN, INF = math.nan, math.inf
HALF: Any = "0.5"  # as a variable of the flow gives it
WORD: Any = "half"
about: Any = pytest.approx
ALPHABET = "#1234567890abcdefghijklmnopqrstuvwxyz"

Decode = Callable[[Frame, Result], Frame]


def frame(width: int = 200, height: int = 100, view: View | None = None) -> Frame:
    image = np.broadcast_to(np.zeros(3, np.uint8), (height, width, 3))
    return Frame(image, 7, 0.0, 0.0, 0.0, view=view)


def result(**outputs: Any) -> Result:
    return Result({name: np.asarray(value) for name, value in outputs.items()})


def found(decode: Decode, answer: Result, of: Frame | None = None) -> list[Detection]:
    return list(detections_of(decode(of or frame(), answer)))


def read(text: str, sure: float = 1.0) -> Any:
    """What a text model says, shape (len(text), 37), if it is so sure of every character."""
    rest = (1 - sure) / (len(ALPHABET) - 1)
    scores = np.full((len(text), len(ALPHABET)), rest, np.float32)
    for place, character in enumerate(text):
        scores[place, ALPHABET.index(character)] = sure
    return scores


# What each model would answer if it saw `boxes` (n, 4), in pixels of a view of `size` pixels.


def as_ssd(boxes: Any, size: Any) -> Result:
    rows = [[0, 1, 0.9, *box] for box in boxes / (*size, *size)]
    return result(detection_out=np.array([[rows]], np.float32).reshape(1, 1, -1, 7))


def as_boxes(boxes: Any, _: Any) -> Result:
    return result(boxes=np.array([[*box, 0.9] for box in boxes], np.float32).reshape(-1, 5))


def as_tensorflow(boxes: Any, size: Any) -> Result:
    corners = (boxes / (*size, *size))[:, [1, 0, 3, 2]].astype(np.float32)
    ones = np.ones((1, len(boxes)), np.float32)
    return result(
        detection_boxes=corners[None],
        detection_scores=ones * 0.9,
        detection_classes=ones,
        num_detections=np.array([len(boxes)], np.float32),
    )


def as_ctc(boxes: Any, _: Any) -> Result:
    places = np.array([[[x0, y0, x1 - x0, y1 - y0]] for x0, y0, x1, y1 in boxes], np.float32)
    texts = np.stack([read("ab1")[:, None]] * len(boxes)) if len(boxes) else np.zeros((0, 1, 3))
    return result(texts=texts, text_coordinates=places.reshape(-1, 1, 4))


MODELS: list[tuple[Decode, Callable[[Any, Any], Result]]] = [
    (decode_ssd(), as_ssd),
    (decode_boxes(), as_boxes),
    (decode_tensorflow(), as_tensorflow),
    (decode_ctc(), as_ctc),
]
EVERY = pytest.mark.parametrize(("decode", "answer"), MODELS, ids=lambda it: type(it).__name__)


@st.composite
def views(draw: st.DrawFn) -> tuple[Frame, View]:
    """A picture, and a part of it, resized and perhaps with padding around it, for the model."""
    side = st.integers(16, 2000)
    width, height = draw(side), draw(side)
    view = View(width, height)
    if draw(st.booleans()):
        left, top = draw(st.integers(0, width // 2)), draw(st.integers(0, height // 2))
        view = view.cut(left, top, draw(st.integers(8, width)), draw(st.integers(8, height)))
    view = view.resized(draw(st.integers(100, 1100)), draw(st.integers(100, 1100)))
    left, top = draw(st.integers(0, 200)), draw(st.integers(0, 200))
    view = view.cut(-left, -top, view.width + 2 * left, view.height + 2 * top)
    return frame(width, height, view), view


@st.composite
def boxes(draw: st.DrawFn) -> tuple[Frame, Any, list[Box]]:
    """A frame, boxes in what the model saw of it, and the same in the source's pixels."""
    of, view = draw(views())
    share = st.floats(0, 1)
    made = []
    for _ in range(draw(st.integers(0, 4))):
        (x0, x1), (y0, y1) = (sorted((draw(share), draw(share))) for _ in range(2))
        made.append((x0 * of.width, y0 * of.height, x1 * of.width, y1 * of.height))
    made = [box for box in made if box[2] - box[0] > 1 and box[3] - box[1] > 1]
    corner = (view.left, view.top) * 2
    scale = (view.x_scale, view.y_scale) * 2
    seen = (np.array(made, np.float64).reshape(-1, 4) - corner) / scale
    return of, seen, made


@EVERY
@given(boxes())
def test_boxes_are_converted_to_pixels_of_the_source(
    decode: Decode, answer: Any, drawn: Any
) -> None:
    of, seen, made = drawn
    back = found(decode, answer(seen, (of.seen.width, of.seen.height)), of)
    assert len(back) == len(made)
    for detection, box in zip(back, made, strict=True):
        assert detection.box == about(box, abs=1)
        assert 0.89 < detection.score <= 1


@EVERY
@given(views(), st.lists(st.tuples(*[st.floats(-3000, 3000)] * 4), max_size=5))
def test_boxes_are_clipped_to_the_image_and_none_is_empty(
    decode: Decode, answer: Any, drawn: Any, boxes: Any
) -> None:
    of, view = drawn
    seen = np.array(boxes, np.float64).reshape(-1, 4)
    for detection in found(decode, answer(seen, (view.width, view.height)), of):
        x0, y0, x1, y1 = detection.box
        assert 0 <= x0 < x1 <= of.width
        assert 0 <= y0 < y1 <= of.height


@EVERY
def test_boxes_in_the_padding_are_omitted(decode: Decode, answer: Any) -> None:
    of = frame(200, 100, View(200, 100).cut(0, -50, 200, 200))
    seen = np.array([[10, 0, 50, 49], [10, 40, 50, 60]], np.float64)
    (detection,) = found(decode, answer(seen, (200, 200)), of)
    assert detection.box == about((10, 0, 50, 10), abs=1e-3)


@EVERY
@pytest.mark.parametrize("number", [NAN, INF, -INF])
def test_rows_with_a_number_that_is_not_finite_are_omitted(
    decode: Decode, answer: Any, number: float
) -> None:
    seen = np.array([[10, 10, 50, 50], [10, 10, 50, 50]], np.float64)
    for column in range(4):
        wrong = seen.copy()
        wrong[0, column] = number
        response = answer(wrong, (200, 100))
        assert len(found(decode, response)) == 1


@EVERY
def test_nothing_found_adds_no_detections_to_those_of_hooks_before(
    decode: Decode, answer: Any
) -> None:
    before = Detection((0, 0, 1, 1), 1.0)
    for nothing in (Result({}, responses=0), answer(np.empty((0, 4)), (200, 100))):
        assert decode(frame(), nothing).data == {"detections": ()}
        after = decode(frame().attach(detections=(before,), n=1), nothing)
        assert after.data == {"detections": (before,), "n": 1}


def test_the_rows_of_an_ssd_end_at_an_image_below_0_and_those_below_the_threshold_are_omitted() -> (
    None
):
    rows = [[0, 2, 0.5, 0, 0, 1, 1], [0, 1, 0.4, 0, 0, 1, 1]]
    rows += [[0, label, score, 0, 0, 1, 1] for label, score in [(1, NAN), (1, INF), (NAN, 0.9)]]
    rows += [[-1, 0, 0, 0, 0, 0, 0], [0, 1, 0.9, 0, 0, 1, 1]]
    whole = (0.0, 0.0, 200.0, 100.0)
    for shape in ((7, 7), (1, 7, 7), (1, 1, 7, 7)):
        response = result(detection_out=np.array(rows, np.float32).reshape(shape))
        assert found(decode_ssd(labels={"2": "face"}), response) == [
            Detection(whole, 0.5, 2, "face")
        ]
        assert len(found(decode_ssd(threshold=0.3), response)) == 2


def test_boxes_may_have_their_scores_and_classes_in_separate_outputs() -> None:
    corners = np.array([[0, 0, 50, 50], [10, 20, 30, 40], [0, 0, 5, 5]])
    response = result(boxes=corners, scores=[[0.9, 0.4, 0.1]], labels=np.array([[1], [0], [1]]))
    assert found(decode_boxes(labels=["text", "sign"]), response) == [
        Detection((0, 0, 50, 50), 0.9, 1, "sign"),
        Detection((10, 20, 30, 40), 0.4, 0, "text"),
    ]
    named = result(b=corners / 100, s=[0.9, 0.4, 0.1])
    decode = decode_boxes(boxes="b", scores="s", normalized=True, threshold=HALF)
    assert found(decode, named) == [Detection((0, 0, 100, 50), 0.9)]


@pytest.mark.parametrize("batch", [False, True])
def test_tensorflow_outputs_have_the_number_of_valid_rows_and_classes_from_1(batch: bool) -> None:
    corners = np.array([[0, 0, 0.5, 1], [0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]])
    outputs = {
        "detection_boxes": corners,
        "detection_scores": np.array([0.9, 0.6, 0.8]),
        "detection_classes": np.array([1.0, 17.0, 3.0]),
    }
    if batch:
        outputs = {name: value[None] for name, value in outputs.items()}
    two = result(**outputs, num_detections=[2.0] if batch else 2.0)
    assert found(decode_tensorflow(labels="coco"), two) == [
        Detection((0, 0, 200, 50), 0.9, 1, "person"),
        Detection(about((40, 10, 80, 30)), 0.6, 17, "cat"),
    ]
    listed = found(decode_tensorflow(labels=["one", "two", "three"]), result(**outputs))
    assert [it.label for it in listed] == ["one", None, "three"]
    listed = found(decode_tensorflow(labels=["none", "one"], first_id=0), two)
    assert [it.label for it in listed] == ["one", None]
    for count, used in ((NAN, 0), (-1, 0), (INF, 3), (1, 1)):
        response = result(**outputs, num_detections=[count])
        assert len(found(decode_tensorflow(), response)) == used


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 4, 1, 1)])
def test_the_likeliest_classes_come_first(shape: tuple[int, ...]) -> None:
    response = result(prob=np.array([0.1, 0.6, NAN, 0.3], np.float32).reshape(shape))
    (best,) = classes_of(decode_classes(labels=["a", "b"])(frame(), response))
    assert best == Classification(1, about(0.6), "b")
    three = classes_of(decode_classes(output="prob", k=3)(frame(), response))
    assert [it.class_id for it in three] == [1, 3, 0]
    assert len(classes_of(decode_classes(k=4, threshold=0.2)(frame(), response))) == 2


def test_softmax_makes_probabilities_of_any_numbers() -> None:
    response = result(x=np.array([[1000.0, 1000.0 + math.log(3), -INF]]))
    two = classes_of(decode_classes(softmax=True, k=5)(frame(), response))
    assert [it.class_id for it in two] == [1, 0]
    assert [it.score for it in two] == about([0.75, 0.25])


@given(st.lists(st.floats(-1e6, 1e6), max_size=20), st.integers(1, 8), st.booleans())
def test_classes_are_the_k_best_in_order(scores: list[float], k: int, softmax: bool) -> None:
    decode = decode_classes(k=k, softmax=softmax, threshold=-1e300)
    made = classes_of(decode(frame(), result(x=np.array(scores))))
    best = sorted(scores, reverse=True)[:k]
    assert [scores[it.class_id] for it in made] == best or softmax
    assert len({it.class_id for it in made}) == len(best)
    if softmax:
        assert all(0 <= it.score <= 1 for it in made)


def test_an_empty_response_has_no_classes() -> None:
    for nothing in (Result({}), result(x=np.zeros((1, 0))), result(x=[NAN, INF])):
        assert decode_classes(softmax=True)(frame(), nothing).data == {"classes": ()}


@pytest.mark.parametrize(
    ("characters", "text"),
    [("#aa##a#b1", "aab1"), ("aaaa", "a"), ("####", ""), ("z", "z"), ("##42", "42"), ("a#a", "aa")],
)
def test_repeated_characters_count_once_and_blanks_not_at_all(characters: str, text: str) -> None:
    place = np.array([[10, 20, 30, 40]])
    scores = read(characters, sure=0.9)
    for each in (scores[None], scores[None, :, None], scores[:, None]):
        (detection,) = found(decode_ctc(), result(texts=each, text_coordinates=place))
        score = about(0.9)
        assert detection == Detection((10, 20, 40, 60), score, text=text)


@given(st.text("123abz", min_size=1, max_size=8), st.data())
def test_a_text_that_is_written_with_blanks_and_repeats_is_read(text: str, data: Any) -> None:
    times = st.integers(1, 3)
    written = "".join(
        "#" * data.draw(times) + character * data.draw(times) for character in text
    ) + "#" * data.draw(st.integers(0, 2))
    order = data.draw(st.permutations(range(len(ALPHABET))))
    decode = decode_ctc(alphabet="".join(ALPHABET[n] for n in order))
    numbers = np.log(read(written, sure=0.8)[:, order])  # no probabilities any more
    response = result(texts=numbers[None], text_coordinates=[[0, 0, 9, 9]])
    (detection,) = found(decode, response)
    assert detection.text == text
    assert detection.score == about(0.8, abs=1e-3)


def test_the_score_of_a_text_is_the_mean_of_its_positions() -> None:
    scores = np.concatenate([read("a", sure=0.9), read("b", sure=0.5)])[None]
    (detection,) = found(decode_ctc(), result(texts=scores, text_coordinates=[[0, 0, 9, 9]]))
    assert detection.score == pytest.approx(0.7)


def test_texts_below_the_threshold_or_without_finite_scores_are_omitted() -> None:
    texts = np.stack([read("ab", sure=0.9), read("12", sure=0.5), read("zz", sure=NAN)])
    response = result(texts=texts, text_coordinates=[[0, 0, 9, 9]] * 3)
    assert [it.text for it in found(decode_ctc(threshold=0.6), response)] == ["ab"]
    assert [it.text for it in found(decode_ctc(), response)] == ["ab", "12"]


def test_a_recognition_model_reads_one_text_from_all_that_it_sees() -> None:
    view = View(200, 100).cut(20, 10, 100, 50).resized(320, 48)
    decode = decode_ctc(coordinates=None, texts="softmax")
    for shape in ((1, 5, 37), (1, 5, 1, 37)):
        response = result(softmax=read("#a#b1").reshape(shape))
        (one,) = found(decode, response, frame(200, 100, view))
        assert (one.text, one.score, one.box) == ("ab1", 1, about((20, 10, 120, 60)))
    assert found(decode, result(softmax=read("##")[None])) == []
    assert found(decode, result(softmax=np.zeros((1, 0, 37)))) == []
    assert found(decode, Result({}, responses=0)) == []


def test_the_characters_of_a_model_may_be_in_a_file(tmp_path: Path) -> None:
    keys = tmp_path / "keys.txt"
    keys.write_text(
        "\N{LATIN SMALL LETTER E WITH ACUTE}\n \N{CJK UNIFIED IDEOGRAPH-6587}\nb\n",
        encoding="utf-8",
    )
    for characters in (
        str(keys),
        ["\N{LATIN SMALL LETTER E WITH ACUTE}", " \N{CJK UNIFIED IDEOGRAPH-6587}", "b"],
    ):
        decode = decode_ctc(coordinates=None, texts="x", characters=characters)
        scores = np.eye(5)[[0, 1, 1, 4, 2, 0, 3]]
        (one,) = found(decode, result(x=scores[None]))
        assert one.text == "\N{LATIN SMALL LETTER E WITH ACUTE}  \N{CJK UNIFIED IDEOGRAPH-6587}b"
        (one,) = found(decode, result(x=scores[[0, 1, 2, 6], :4][None]))
        assert one.text == "\N{LATIN SMALL LETTER E WITH ACUTE}b"
    with pytest.raises(
        InvalidFlowError, match=r"^characters: no\.txt cannot be read: No such file"
    ):
        decode_ctc(characters="no.txt")


PLACES = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("decode", "response", "text"),
    [
        (
            decode_ssd(),
            result(other=1, more=2),
            "the response has no output 'detection_out', only 'other', 'more'",
        ),
        (
            decode_ssd(),
            result(detection_out=np.zeros((1, 1, 200, 6), np.float32)),
            "output 'detection_out' is float32 with shape (1, 1, 200, 6), expected numbers with"
            " shape"
            " (n, 7)",
        ),
        (
            decode_ssd(),
            result(detection_out=np.zeros((2, 3, 7))),
            "output 'detection_out' is float64 with shape (2, 3, 7), expected numbers with shape"
            " (n, 7)",
        ),
        (
            decode_ssd(),
            result(detection_out=np.zeros(7)),
            "output 'detection_out' is float64 with shape (7,), expected numbers with shape (n, 7)",
        ),
        (
            decode_ssd(),
            result(detection_out=np.full((1, 7), b"x", object)),
            "output 'detection_out' is object with shape (1, 7), expected numbers",
        ),
        (
            decode_boxes(),
            result(boxes=np.zeros((1, 6), np.float16)),
            "output 'boxes' is float16 with shape (1, 6), expected numbers with shape (n, 4) or"
            " (n, 5)",
        ),
        (
            decode_boxes(),
            result(boxes=PLACES),
            "the response has no output 'scores', only 'boxes'",
        ),
        (
            decode_boxes(),
            result(boxes=PLACES, scores=np.zeros((2, 3))),
            "output 'scores' is float64 with shape (2, 3), expected numbers with shape (3,)",
        ),
        (
            decode_tensorflow(),
            result(detection_boxes=PLACES, detection_scores=[1]),
            "output 'detection_scores' is int64 with shape (1,), expected numbers with shape (3,)",
        ),
        (
            decode_classes(),
            result(a=1, b=2),
            "the response has the outputs 'a', 'b'; choose one with the option `output`",
        ),
        (
            decode_classes(),
            result(a=np.zeros((2, 5))),
            "output 'a' is float64 with shape (2, 5), expected numbers with shape (n,)",
        ),
        (
            decode_ctc(),
            result(text_coordinates=PLACES, texts=np.zeros((30, 3, 37))),
            "output 'texts' is float64 with shape (30, 3, 37), expected numbers with shape"
            " (3, length, 37) or (3, length, 1, 37): 3 texts, 37 characters in the alphabet",
        ),
        (
            decode_ctc(),
            result(text_coordinates=PLACES, texts=np.zeros((3, 30, 36))),
            "output 'texts' is float64 with shape (3, 30, 36), expected numbers with shape"
            " (3, length, 37) or (3, length, 1, 37): 3 texts, 37 characters in the alphabet",
        ),
        (
            decode_ctc(),
            result(text_coordinates=PLACES, texts=np.zeros((3, 0, 37))),
            "output 'texts' is float64 with shape (3, 0, 37), expected numbers with shape"
            " (3, length, 37) or (3, length, 1, 37): 3 texts, 37 characters in the alphabet",
        ),
    ],
)
def test_an_output_of_another_shape_or_type_is_reported_with_what_is_expected(
    decode: Decode, response: Result, text: str
) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole text is compared
        decode(frame(), response)
    assert str(raised.value) == text


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: decode_ssd(threshold=WORD), "threshold: 'half' is not a number"),
        (
            lambda: decode_tensorflow(first_id=WORD),
            "first_id: 'half' is not an integer of at least 0",
        ),
        (lambda: decode_classes(k=0), "k: 0 is not an integer of at least 1"),
        (lambda: decode_ctc(blank="-"), f"blank: '-' is not one of the characters of {ALPHABET!r}"),
    ],
)
def test_an_invalid_option_is_reported_before_the_first_frame(make: Any, text: str) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        make()
    assert str(raised.value) == text
