"""One picture for all who look."""

from __future__ import annotations

import io
import itertools
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from flowrun.frame import Image
from flowrun.media.sinks.latest_jpeg import LatestJpeg

LIMIT = 30.0  # seconds, a guard against hanging
RED, BLUE = (200, 30, 20), (10, 40, 220)


def plain(color: tuple[int, ...], size: tuple[int, int] = (64, 48)) -> Image:
    return np.full((size[1], size[0], 3), color, np.uint8)


def shown(jpeg: bytes) -> Any:
    return np.asarray(Pillow.open(io.BytesIO(jpeg)))


def newest(color: Any = "rgb") -> LatestJpeg:
    return LatestJpeg(color, clock=itertools.count().__next__)


@pytest.mark.parametrize(("color", "as_they_come"), [("rgb", RED), ("bgr", RED[::-1])])
def test_the_colours_are_right_in_both_orders(color: str, as_they_come: tuple[int, ...]) -> None:
    pictures = newest(color)
    pictures.put(plain(as_they_come))
    found = pictures.after(0, LIMIT)
    assert found is not None
    assert (abs(shown(found[1]).astype(int) - RED) <= 3).all()


@pytest.mark.parametrize(
    ("size", "made"),
    [((1280, 720), (1280, 720)), ((1921, 1081), (1280, 720)), ((5000, 1), (1280, 1))],
)
def test_what_is_too_wide_is_made_smaller_in_the_same_shape(
    size: tuple[int, int], made: tuple[int, int]
) -> None:
    pictures = newest()
    pictures.put(plain(BLUE, size))
    found = pictures.after(0, LIMIT)
    assert found is not None
    assert Pillow.open(io.BytesIO(found[1])).size == made


def test_who_looks_gets_the_newest_picture_and_what_came_between_is_left_out() -> None:
    pictures = newest()
    assert pictures.after(0, 0.0) == (0, b"")
    for shade in range(5):
        pictures.put(plain((shade * 50,) * 3))
    number, jpeg = pictures.after(0, LIMIT) or (0, b"")
    assert number == 5
    assert abs(int(shown(jpeg)[0, 0, 0]) - 200) <= 3
    assert pictures.after(number, 0.0) == (number, jpeg)


def test_a_picture_is_made_once_for_all_and_never_while_nobody_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    save = Pillow.Image.save

    def count(*words: Any, **options: Any) -> None:
        made.append(1)
        save(*words, **options)

    monkeypatch.setattr(Pillow.Image, "save", count)
    pictures = newest()
    for _ in range(10):
        pictures.put(plain(RED))
    assert made == []
    found = [pictures.after(0, LIMIT) for _ in range(3)]
    assert made == [1]
    assert found == [found[0]] * 3
    pictures.put(plain(BLUE))
    assert pictures.after(10, LIMIT) != found[0]
    assert made == [1, 1]


def test_pictures_that_come_faster_than_anybody_can_see_are_left_out() -> None:
    now = 0.0
    pictures = LatestJpeg("rgb", clock=lambda: now)
    numbers = []
    for tick in range(100):
        now = tick / 100  # 100 a second for a second
        pictures.put(plain(RED))
        found = pictures.after(0, 0.0)
        assert found is not None
        numbers.append(found[0])
    assert numbers[0] == 1
    assert 30 <= numbers[-1] <= 40


def test_whoever_waits_is_woken_by_a_picture_and_by_the_end() -> None:
    pictures = newest()
    found: list[Any] = []
    looking = threading.Thread(
        target=lambda: found.extend([pictures.after(0, LIMIT), pictures.after(1, LIMIT)])
    )
    looking.start()
    pictures.put(plain(RED))
    pictures.close()
    looking.join(LIMIT)
    assert not looking.is_alive()
    assert found[-1] is None
    assert pictures.after(0, LIMIT) is None
