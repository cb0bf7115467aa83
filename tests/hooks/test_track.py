"""The ids of tracks: over crossings, misses, weak scores, classes and steps of the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.detection import Detection, detections_of, with_detections
from flowrun.errors import InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.support.tracker import overlaps
from flowrun.hooks.track import track
from flowrun.inference import Result
from flowrun.view import Box

EMPTY = Result({})
IMAGE = np.zeros((720, 1280, 3), np.uint8)
FPS = 30


def at(x: float, y: float, width: float = 60, height: float = 150) -> Box:
    """A box by its centre."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def ids(hook: track, time: float, found: Iterable[Detection]) -> list[int | None]:
    frame = with_detections(Frame(IMAGE, 0, time, 0.0, 0.0), found)
    return [each.track_id for each in detections_of(hook(frame, EMPTY))]


def one(hook: track, time: float, box: Box, score: float = 0.9) -> int | None:
    (found,) = ids(hook, time, [Detection(box, score, 0)])
    return found


def followed(
    path: Callable[[int], Sequence[Box]],
    frames: Iterable[int],
    seen: Callable[[int, int], bool] = lambda n, frame: True,
    jitter: float = 1.0,
) -> list[set[int | None]]:
    """The ids of each object of `path` over `frames`, its detections shuffled and moved by up to
    `jitter` pixels."""
    random, hook = np.random.default_rng(3), track()
    kept: list[set[int | None]] = [set() for _ in path(0)]
    for frame in frames:
        boxes = np.array(path(frame)) + random.uniform(-jitter, jitter, (len(kept), 4))
        order = [n for n in random.permutation(len(kept)).tolist() if seen(n, frame)]
        found = [Detection(tuple(boxes[n].tolist()), 0.9, 0) for n in order]
        for n, number in zip(order, ids(hook, frame / FPS, found), strict=True):
            kept[n].add(number)
    return kept


def assert_separate(kept: list[set[int | None]]) -> None:
    assert [len(each) for each in kept] == [1] * len(kept)
    assert set().union(*kept) == set(range(1, len(kept) + 1))


def three_that_meet(frame: int) -> list[Box]:
    """Two walk towards each other and pass, a third one crosses their way at the same moment."""
    away = frame - 60
    return [at(640 + 6 * away, 360), at(640 - 6 * away, 372), at(646, 366 + 4 * away)]


def test_three_that_cross_at_the_same_moment_keep_their_ids() -> None:
    assert_separate(followed(three_that_meet, range(120), jitter=2.0))


@pytest.mark.parametrize("lost", [{0}, {0, 1}, {0, 1, 2}])
@pytest.mark.parametrize("first", [5, 40, 58, 80])
def test_ids_are_kept_through_five_lost_frames(first: int, lost: set[int]) -> None:
    gap = range(first, first + 5)
    assert_separate(
        followed(three_that_meet, range(120), lambda n, frame: n not in lost or frame not in gap)
    )


def test_ids_are_kept_while_the_detector_suppresses_overlapping_boxes() -> None:
    def alone(n: int, frame: int) -> bool:
        boxes = np.array(three_that_meet(frame))
        return not (overlaps(boxes, boxes)[n, :n] > 0.45).any()

    assert_separate(followed(three_that_meet, range(120), alone))


def test_ids_are_kept_when_two_of_three_frames_are_dropped() -> None:
    assert_separate(followed(three_that_meet, range(0, 120, 3)))


def test_an_object_that_turns_round_while_it_is_hidden_is_found_where_it_was_last_seen() -> None:
    hook = track()
    for n in range(30):
        assert one(hook, n / FPS, at(200 + 6 * n, 300)) == 1
    assert one(hook, 50 / FPS, at(200 + 6 * 29, 300)) == 1


def test_the_score_of_a_hidden_person_sinks_and_the_id_stays() -> None:
    """The example of ByteTrack's paper (figure 2): the score of an occluded person falls from 0.8
    to 0.4 and 0.1, and a piece of background has a weak score, too."""
    hook = track(threshold=0.5)
    scores = (0.8, 0.8, 0.4, 0.1, 0.8)
    for n, score in enumerate(scores):
        found = [
            Detection(at(300 + 5 * n, 300), 0.9, 0),
            Detection(at(340 - 5 * n, 300), score, 0),
            Detection(at(900, 300), 0.1, 0),
        ]
        assert ids(hook, n / FPS, found) == [1, 2, None]


def test_strong_detections_choose_their_tracks_before_weak_ones() -> None:
    hook = track(threshold=0.5)
    assert one(hook, 0, at(300, 300)) == 1
    weak, strong = Detection(at(301, 300), 0.3, 0), Detection(at(312, 300), 0.9, 0)
    assert ids(hook, 1 / FPS, [weak, strong]) == [None, 1]


def test_a_detection_has_an_id_from_its_first_frame_on_if_it_is_strong_enough() -> None:
    found = [Detection(at(100 * n, 300), score, 0) for n, score in enumerate((0.24, 0.25, 0.9))]
    assert ids(track(), 0, found) == [None, 1, 2]


def test_classes_have_tracks_of_their_own() -> None:
    hook = track()
    box = at(300, 300)
    for n in range(10):
        found = [Detection(box, 0.9, 0), Detection(box, 0.8, 1), Detection(box, 0.8, None, "car")]
        assert ids(hook, n / FPS, found[:: 1 if n % 2 else -1])[:: 1 if n % 2 else -1] == [3, 2, 1]


def test_a_track_ends_when_it_is_not_seen_for_max_age_of_the_source() -> None:
    for pause, expected in ((1.0, 1), (1.01, 2), (30.0, 2)):
        hook = track(max_age="1s")
        assert one(hook, 5.0, at(300, 300)) == 1
        assert ids(hook, 5.0 + pause / 2, []) == []
        assert one(hook, 5.0 + pause, at(300, 300)) == expected


def test_a_time_that_steps_back_starts_new_tracks_and_uses_no_id_again() -> None:
    hook = track()
    assert [one(hook, time, at(300, 300)) for time in (7.0, 7.1, 0.0, 0.1, 0.1)] == [1, 1, 2, 2, 2]


def test_each_hook_counts_for_itself() -> None:
    assert one(track(), 0, at(300, 300)) == one(track(), 0, at(300, 300)) == 1


def test_what_else_a_detection_has_stays() -> None:
    found = Detection(at(300, 300), 0.9, 3, "dog", "rex", keypoints=((1, 2, 0.5),), angle=0.1)
    frame = with_detections(Frame(IMAGE, 0, 0.0, 0.0, 0.0), [found])
    (tracked,) = detections_of(track()(frame, EMPTY))
    assert tracked.to_json() == {**found.to_json(), "track_id": 1}


def test_a_frame_without_detections_is_returned_unchanged() -> None:
    frame = Frame(IMAGE, 0, 0.0, 0.0, 0.0)
    assert track()(frame, EMPTY) is frame


numbers = st.floats(-50, 1300, allow_nan=False)
any_box = st.tuples(numbers, numbers, st.floats(0, 400), st.floats(0, 400)).map(
    lambda v: (v[0], v[1], v[0] + v[2], v[1] + v[3])
)
detections = st.builds(Detection, any_box, st.floats(0, 1), st.sampled_from([0, 1, None]))


@given(st.lists(st.tuples(st.floats(-1, 2), st.lists(detections, max_size=8)), max_size=12))
def test_ids_are_unique_in_a_frame_rise_and_never_return_to_another_class(
    frames: list[tuple[float, list[Detection]]],
) -> None:
    hook, time, newest = track(), 10.0, 0
    classes: dict[int, int | None] = {}
    for step, found in frames:
        time += step
        numbers = ids(hook, time, found)
        given_ids = [n for n in numbers if n is not None]
        assert len(set(given_ids)) == len(given_ids)
        for detection, number in zip(found, numbers, strict=True):
            assert number is not None or detection.score < 0.25
            if number is not None:
                assert classes.setdefault(number, detection.class_id) == detection.class_id
        started = sorted(n for n in given_ids if n > newest)
        assert started == list(range(newest + 1, newest + 1 + len(started)))
        newest += len(started)


@given(st.floats(0.2, 5), st.floats(-200, 200), st.floats(-200, 200))
def test_tracks_do_not_depend_on_the_scale_and_the_place_of_the_picture(
    scale: float, left: float, top: float
) -> None:
    def moved(frame: int) -> list[Box]:
        boxes = np.array(three_that_meet(frame)) * scale + (left, top, left, top)
        return [tuple(each) for each in boxes.tolist()]

    assert_separate(followed(moved, range(30, 90), jitter=scale))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("iou", -0.1), ("iou", 1.1), ("iou", "half"), ("max_age", 0), ("max_age", "1 s"),
        ("max_age", True), ("max_age", None), ("threshold", "x"),
    ],
)  # fmt: skip
def test_an_invalid_option_is_an_error_at_its_key(key: str, value: Any) -> None:
    with pytest.raises(InvalidFlowError) as caught:
        track(**{key: value})
    assert caught.value.key == key


def test_options_may_be_the_text_of_a_variable() -> None:
    hook = track(iou="0.3", max_age="2", threshold="0.9")  # type: ignore[arg-type]
    assert one(hook, 0, at(300, 300), 0.8) is None
    assert one(hook, 0, at(300, 300)) == 1
    assert one(hook, 2, at(300, 300)) == 1
