from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.kserve.server.models import resolve_model
from flowrun.media.ffmpeg.process import executable


@pytest.fixture(scope="module")
def detect(opencv: None) -> Any:
    return resolve_model("face-detection").make()


def test_it_has_the_signature_of_the_usual_face_detection_model(opencv: None) -> None:
    model = resolve_model("face-detection")
    assert [(each.name, each.datatype, each.shape) for each in model.inputs] == [
        ("data", "FP32", (1, 3, 300, 300))
    ]
    assert [(each.name, each.datatype, each.shape) for each in model.outputs] == [
        ("detection_out", "FP32", (1, 1, 200, 7))
    ]


@pytest.mark.parametrize("value", [-1e9, 0, 127.5, 255, 1e9])
def test_an_empty_picture_has_no_face(detect: Any, value: float) -> None:
    answer = detect({"data": np.full((1, 3, 300, 300), value, np.float32)})
    assert (answer.dtype, answer.shape) == (np.float32, (1, 1, 200, 7))
    assert (answer[0, 0, :, 0] == -1).all()
    assert not answer[0, 0, :, 1:].any()


@pytest.mark.media
def test_it_detects_the_face_in_real_footage_and_none_elsewhere(detect: Any, footage: Path) -> None:
    person = detect({"data": pictures(footage / "again.mkv", 60)[None]})[0, 0]
    image, label, confidence, *box = person[0].tolist()
    assert (image, label) == (0, 1)
    assert confidence > 0.9
    # Seen in the picture: the face lies around (0.51, 0.32), an eighth of the picture wide.
    x0, y0, x1, y1 = box
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((0.51, 0.325), abs=0.03)
    assert (x1 - x0, y1 - y0) == pytest.approx((0.13, 0.13), abs=0.03)
    assert (person[1:, 2] <= 0.5).all()
    bottles = detect({"data": pictures(footage / "bottle-detection.mp4", 600)[None]})[0, 0]
    assert (bottles[:, 2] <= 0.5).all()


def pictures(path: Path, frame: int) -> Any:
    """One frame in a square of 300 pixels, BGR, FP32 (3, 300, 300)."""
    fit = "scale=300:300:force_original_aspect_ratio=decrease,pad=300:300:-1:-1"
    done = subprocess.run(
        [
            *(executable(), "-nostdin", "-loglevel", "error", "-i", str(path)),
            *("-vf", rf"select=eq(n\,{frame}),{fit}", "-frames:v", "1"),
            *("-f", "rawvideo", "-pix_fmt", "bgr24", "-"),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    picture = np.frombuffer(done.stdout, np.uint8).reshape(300, 300, 3)
    return picture.transpose(2, 0, 1).astype(np.float32)
