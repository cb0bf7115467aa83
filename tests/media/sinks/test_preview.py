from __future__ import annotations

import threading

import numpy as np
import pytest

from flowrun.frame import Frame, VideoInfo
from flowrun.media.sinks.preview import Preview

INFO = VideoInfo(64, 48, fps=25.0, live=True)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def frame(index: int) -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), index, index / 25, 1 / 25, 0.0)


def asked(preview: Preview, clock: Clock) -> bytes:
    """Ask for a picture on another thread while frames arrive."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(preview.picture()))
    thread.start()
    index = 0
    while thread.is_alive():
        clock.now += 0.5
        preview.put(frame(index), INFO)
        index += 1
        thread.join(0.001)
    return found[0]


def test_nothing_is_looked_at_without_a_request(clock: Clock) -> None:
    class Unseen:
        @property
        def image(self) -> None:
            raise AssertionError("somebody looked")

    preview = Preview("rgb", clock)
    unseen: object = Unseen()
    preview.put(unseen, INFO)  # type: ignore[arg-type]


def test_a_request_gets_a_jpeg_of_the_next_frame(clock: Clock) -> None:
    assert asked(Preview("rgb", clock), clock).startswith(b"\xff\xd8")


def test_without_frames_there_is_no_picture(clock: Clock) -> None:
    preview = Preview("rgb", clock)
    preview.close()
    assert preview.picture() == b""
    assert list(preview.stream())[1:] == []
