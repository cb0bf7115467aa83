"""The newest image is encoded once for all clients."""

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


@pytest.mark.parametrize(("color", "stored"), [("rgb", RED), ("bgr", RED[::-1])])
def test_the_colours_are_right_in_both_orders(color: str, stored: tuple[int, ...]) -> None:
    images = newest(color)
    images.put(plain(stored))
    found = images.wait_newer(0, LIMIT)
    assert found is not None
    assert (abs(shown(found[1]).astype(int) - RED) <= 3).all()


@pytest.mark.parametrize(
    ("size", "made"),
    [((1280, 720), (1280, 720)), ((1921, 1081), (1280, 720)), ((5000, 1), (1280, 1))],
)
def test_an_image_that_is_too_wide_is_scaled_down_with_its_aspect_ratio(
    size: tuple[int, int], made: tuple[int, int]
) -> None:
    images = newest()
    images.put(plain(BLUE, size))
    found = images.wait_newer(0, LIMIT)
    assert found is not None
    assert Pillow.open(io.BytesIO(found[1])).size == made


def test_a_client_gets_the_newest_image_and_skips_those_between() -> None:
    images = newest()
    assert images.wait_newer(0, 0.0) == (0, b"")
    for shade in range(5):
        images.put(plain((shade * 50,) * 3))
    number, jpeg = images.wait_newer(0, LIMIT) or (0, b"")
    assert number == 5
    assert abs(int(shown(jpeg)[0, 0, 0]) - 200) <= 3
    assert images.wait_newer(number, 0.0) == (number, jpeg)


def test_an_image_is_encoded_once_for_all_clients_and_never_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    save = Pillow.Image.save

    def count(*words: Any, **options: Any) -> None:
        made.append(1)
        save(*words, **options)

    monkeypatch.setattr(Pillow.Image, "save", count)
    images = newest()
    for _ in range(10):
        images.put(plain(RED))
    assert made == []
    found = [images.wait_newer(0, LIMIT) for _ in range(3)]
    assert made == [1]
    assert found == [found[0]] * 3
    images.put(plain(BLUE))
    assert images.wait_newer(10, LIMIT) != found[0]
    assert made == [1, 1]


def test_images_that_arrive_faster_than_anybody_can_see_are_skipped() -> None:
    now = 0.0
    images = LatestJpeg("rgb", clock=lambda: now)
    numbers = []
    for tick in range(100):
        now = tick / 100  # 100 a second for a second
        images.put(plain(RED))
        found = images.wait_newer(0, 0.0)
        assert found is not None
        numbers.append(found[0])
    assert numbers[0] == 1
    assert 30 <= numbers[-1] <= 40


def test_a_waiting_client_is_woken_by_an_image_and_by_close() -> None:
    images = newest()
    found: list[Any] = []
    client = threading.Thread(
        target=lambda: found.extend([images.wait_newer(0, LIMIT), images.wait_newer(1, LIMIT)])
    )
    client.start()
    images.put(plain(RED))
    images.close()
    client.join(LIMIT)
    assert not client.is_alive()
    assert found[-1] is None
    assert images.wait_newer(0, LIMIT) is None
