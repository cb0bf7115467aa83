"""The models that need mediapipe, served from its environment."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton

from flowrun.kserve.server.embedded import serve
from flowrun.media.ffmpeg.process import executable

MODELS = ["holisticTracking", "irisTracking"]
LIMIT = 60  # seconds, a guard against hanging
Picture = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def client(mediapipe_python: str) -> Iterator[Any]:
    with (
        serve(MODELS, "127.0.0.1:0", mediapipe_python) as server,
        triton.InferenceServerClient(server.address) as client,
    ):
        yield client


def infer(client: Any, model: str, picture: Picture) -> Picture:
    given = triton.InferInput("first_input_video", picture.shape, "UINT8")
    given.set_data_from_numpy(picture)
    answer: Picture = client.infer(model, [given], client_timeout=LIMIT).as_numpy("output")
    return answer


@pytest.mark.parametrize("model", MODELS)
def test_it_has_the_signature_of_a_graph_from_picture_to_picture(client: Any, model: str) -> None:
    picture = {"datatype": "UINT8", "shape": ["-1", "-1", "3"]}
    metadata = client.get_model_metadata(model, as_json=True)
    assert metadata["inputs"] == [{"name": "first_input_video", **picture}]
    assert metadata["outputs"] == [{"name": "output", **picture}]


@pytest.mark.parametrize("model", MODELS)
def test_a_picture_without_a_person_is_returned_unchanged(client: Any, model: str) -> None:
    picture = np.full((121, 203, 3), (200, 90, 10), np.uint8)
    assert (infer(client, model, picture) == picture).all()


@pytest.mark.media
def test_pose_face_and_hands_are_drawn_on_a_person(client: Any, footage: Path) -> None:
    for picture in pictures(footage / "again.mkv", 12):
        drawn = infer(client, "holisticTracking", picture)
        changed = (drawn.astype(int) - picture).any(axis=2)
    assert drawn.shape == picture.shape
    # Where they are in the last of these pictures, in the shares of the whole that are drawn over.
    assert changed[70:160, 280:360].mean() > 0.1  # the face
    assert changed[190:330, 240:430].mean() > 0.05  # the hands, in front of the chest
    assert changed[195:206, 260:390].mean() > 0.2  # from shoulder to shoulder
    assert not changed[:, :150].any()  # the wall and the screen
    assert not changed[:, 490:].any()


@pytest.mark.media
def test_eyes_are_drawn_in_a_face(client: Any, footage: Path) -> None:
    for picture in pictures(footage / "again.mkv", 12):
        changed = (infer(client, "irisTracking", picture).astype(int) - picture).any(axis=2)
    assert changed[70:151, 286:356].mean() > 0.1
    changed[65:156, 280:361] = False
    assert not changed.any()


def pictures(path: Path, count: int) -> Any:
    """The first ones, RGB."""
    done = subprocess.run(
        [
            *(executable(), "-nostdin", "-loglevel", "error", "-i", str(path)),
            *("-frames:v", str(count), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    return np.frombuffer(done.stdout, np.uint8).reshape(count, 480, 640, 3)
