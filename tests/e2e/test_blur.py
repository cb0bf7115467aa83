"""A blurred stream: RTSP in, a detector that is often late, RTSP out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.rtsp import read_stamps

DETECTOR = """
import random, threading

class Detector:
    '''Finds the stamp at the top of each picture, but every tenth time too late.'''

    outputs = {"boxes": ("FP32", (-1, 5))}

    def __init__(self):
        self.calls = 0
        self.never = threading.Event()

    def __call__(self, image):
        import numpy as np
        self.calls += 1
        if self.calls > 5 and self.calls % 10 == 0:
            self.never.wait(0.6)
        return {"boxes": np.array([[0, 0, image.shape[1], 42, 0.9]], np.float32)}
"""

Begin = Callable[[str], tuple[dict[str, Any], str, Path]]


@pytest.fixture
def begin(rtsp_server: Any, running: Any, flow: Any, tmp_path: Path) -> Begin:
    """Run the flow with a policy for late responses: its summary, its log, the recorded stream."""

    def begin(on_error: str) -> tuple[dict[str, Any], str, Path]:
        source, destination = rtsp_server(), rtsp_server()
        source.start()
        destination.start()
        (tmp_path / "late_detector.py").write_text(DETECTOR)
        path = flow(
            source=source.url("live"),
            transport="{mode: unary, address: embedded, model: 'late_detector:Detector',"
            f" timeout: 300ms, on_error: {on_error}}}",
            postprocess="[decode_boxes, {hook: blur, with: {method: fill, grow: 0.1}}]",
            sink=destination.url("record/out"),
            limits="{duration: 8s}",
        )
        code, summary, said = running(path).ends()
        assert code == 0, said
        (recording,) = destination.recordings("out")
        return summary, said, recording

    return begin


def test_no_frame_leaves_unblurred_when_the_detector_is_late(begin: Begin) -> None:
    summary, _, recording = begin("drop")
    assert summary["failed"]["timeout"] >= 3
    assert summary["delivered"] >= 20
    assert recording.stat().st_size > 10_000
    assert read_stamps(recording, others=True) == []


def test_passthrough_delivers_late_frames_unblurred_and_the_run_warns(begin: Begin) -> None:
    """So the test above would see a stamp."""
    _, said, recording = begin("passthrough")
    assert read_stamps(recording, others=True)
    assert "transport.on_error: passthrough delivers frames that `blur` has not changed" in said
