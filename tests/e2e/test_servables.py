"""The flows of this repository against servers with the models that they are for: unchanged, but
for the address and for what they read and write."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.inference import TensorInfo
from flowrun.kserve.server.embedded import EmbeddedServer, serve
from flowrun.kserve.server.models import Model
from flowrun.media.ffmpeg.process import executable
from flowrun.media.sources import make_source
from flowrun.spec.flow import SourceSpec
from tests.testbed.signatures import SIGNATURES

FLOWS = Path(__file__).parents[2] / "flows"
SIZE = (320, 240)
BOX = (72, 56, 152, 112)  # of the bright rectangle, in pixels of the source
BRIGHT, DARK = 6, 4  # frames with it, and those after them without
PIXELS = 2.5  # what scaling there and back may move an edge by

# What a detector reports for the rectangle in addition to its box and score.
FOUND: dict[str, dict[str, Any]] = {
    "face_detection": {"class_id": 1, "label": "face", "text": None},
    "person_vehicle": {"class_id": 1, "label": "person", "text": None},
    "faster_rcnn": {"class_id": 1, "label": "person", "text": None},
    "rtdetr": {"class_id": 0, "label": "person", "text": None},
    "yolo": {"class_id": 0, "label": "person", "text": None},
    "text_detection": {"class_id": None, "label": None, "text": None},
    "ocr": {"class_id": None, "label": None, "text": "hello"},
}


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    """The models of tests/testbed/signatures.py, served as by OpenVINO Model Server: ABORTED where
    there is no result."""

    def model(name: str, signature: Any) -> Model:
        taken = [TensorInfo(tensor, *given) for tensor, given in signature.inputs.items()]
        given = [TensorInfo(tensor, *given) for tensor, given in signature.outputs.items()]
        return Model(name, lambda: signature.infer, tuple(taken), tuple(given), by_name=True)

    with EmbeddedServer({name: model(name, each) for name, each in SIGNATURES.items()}) as server:
        yield server.address


@pytest.fixture(scope="module")
def openvino(openvino_models: Path) -> Iterator[str]:
    with serve([str(path) for path in openvino_models.glob("*.xml")], "127.0.0.1:0") as server:
        yield server.address


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dark picture in which a bright rectangle stands for `BRIGHT` frames, and then none."""
    path = tmp_path_factory.mktemp("servables") / "rectangle.mkv"
    x0, y0, x1, y1 = BOX
    there = f"drawbox={x0}:{y0}:{x1 - x0}:{y1 - y0}:white:fill:enable='lt(n,{BRIGHT})'"
    dark = f"color=black:s={SIZE[0]}x{SIZE[1]}:r=10,format=rgb24,{there}"
    frames = ("-frames:v", str(BRIGHT + DARK), "-pix_fmt", "yuv420p", "-crf", "5")
    command = [executable(), "-loglevel", "error", "-f", "lavfi", "-i", dark, *frames, str(path)]
    subprocess.run(command, stdin=subprocess.DEVNULL, timeout=60, check=True)
    return path


@pytest.fixture
def lines_of(flowrun_here: Any, recording: Path, tmp_path: Path) -> Any:
    """Run a flow of flows/ and give what its hooks attached to each frame, all being delivered."""

    def lines_of(
        name: str, address: str, *words: str, sink: str = "out.jsonl"
    ) -> list[dict[str, Any]]:
        done = flowrun_here(
            *(FLOWS / name, "--input-stream", recording, "--grpc-address", address),
            *("--set", f"sink={sink}", *words),
        )
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
        assert {line["fate"] for line in lines} == {"delivered"}
        return [line["data"] for line in sorted(lines, key=lambda line: int(line["index"]))]

    return lines_of


def images(path: Path) -> list[Any]:
    with closing(make_source(SourceSpec(str(path)))) as source:
        source.open()
        return [frame.image for frame in source]


DETECTORS = [
    *(("embedded", "unary", name) for name in FOUND),
    *(("openvino", "unary", name) for name in FOUND if name not in ("ocr", "rtdetr", "yolo")),
    *(("triton_address", mode, name) for mode in ("unary", "stream") for name in FOUND),
    *(
        ("mlserver_address", mode, name)
        for mode in ("unary", "stream")
        for name in ("face_detection", "faster_rcnn", "yolo")
    ),
]


@pytest.mark.parametrize(("server", "mode", "name"), DETECTORS)
def test_a_detection_is_where_the_object_is_in_the_source(
    request: pytest.FixtureRequest, lines_of: Any, server: str, mode: str, name: str
) -> None:
    address = request.getfixturevalue(server)
    # Triton has no ABORTED, by which the reading graph of OVMS says that there is nothing to read.
    count = BRIGHT if (server, name) == ("triton_address", "ocr") else BRIGHT + DARK
    words = ("--set", f"transport.mode={mode}", "--limit-frames", str(count))
    frames = lines_of(f"{name}_unary.yaml", address, *words)
    assert len(frames) == count
    for frame in frames[:BRIGHT]:
        (found,) = frame["detections"]
        assert found.pop("box") == pytest.approx(BOX, abs=PIXELS)
        assert found.pop("score") >= 0.75
        assert found == FOUND[name]
    assert all(frame == {"detections": []} for frame in frames[BRIGHT:])


SERVERS = pytest.mark.parametrize("server", ["embedded", "triton_address"])


@SERVERS
def test_key_points_are_where_they_are_in_the_source(
    request: pytest.FixtureRequest, lines_of: Any, server: str
) -> None:
    x0, y0, x1, y1 = BOX
    frames = lines_of("yolo_pose_unary.yaml", request.getfixturevalue(server))
    for frame in frames[:BRIGHT]:
        (found,) = frame["detections"]
        first, second, *_ = found["keypoints"]
        assert first == pytest.approx([x0, y0, 1], abs=PIXELS)
        assert second == pytest.approx([x1, y1, 0.5], abs=PIXELS)


@SERVERS
@pytest.mark.parametrize("name", ["yolo_segment", "segmentation"])
def test_a_mask_has_the_pixels_of_the_object_in_the_source(
    request: pytest.FixtureRequest, lines_of: Any, server: str, name: str
) -> None:
    x0, y0, x1, y1 = BOX
    right = (x0 + x1) / 2 if name == "yolo_segment" else x1  # that model sees the left half
    frames = lines_of(f"{name}_unary.yaml", request.getfixturevalue(server))
    assert [len(frame["detections"]) for frame in frames] == [1] * BRIGHT + [0] * DARK
    for frame in frames[:BRIGHT]:
        mask = pixels_of(frame["detections"][0]["mask"])
        rows, columns = np.nonzero(mask)
        edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert edges == pytest.approx((x0, y0, right, y1), abs=PIXELS)
        assert mask[rows.min() : rows.max(), columns.min() : columns.max()].mean() > 0.95


def pixels_of(mask: dict[str, Any]) -> Any:
    """A mask in run lengths down the columns, as a picture."""
    height, width = mask["size"]
    values = np.arange(len(mask["counts"])) % 2
    return np.repeat(values, mask["counts"]).reshape(width, height).T


@pytest.mark.parametrize("mode", ["stream", pytest.param("unary", marks=pytest.mark.slow)])
@pytest.mark.parametrize("server", ["embedded", "triton_address", "mlserver_address"])
def test_a_classifier_classifies_each_picture(
    request: pytest.FixtureRequest, lines_of: Any, server: str, mode: str
) -> None:
    address = request.getfixturevalue(server)
    frames = lines_of("resnet_unary.yaml", address, "--set", f"transport.mode={mode}")
    likeliest = [frame["classes"][0] for frame in frames]
    assert [each["class_id"] for each in likeliest] == [1] * BRIGHT + [0] * DARK
    assert {each["score"] for each in likeliest} == {0.875}


@pytest.mark.parametrize(
    "name",
    [
        "holistic_file",
        pytest.param("iris_file", marks=pytest.mark.slow),
        pytest.param("object_detection_file", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("server", ["embedded", "triton_address", "mlserver_address"])
def test_a_graph_draws_at_the_right_place_in_a_picture_of_the_size_of_the_source(
    request: pytest.FixtureRequest, lines_of: Any, tmp_path: Path, server: str, name: str
) -> None:
    lines_of(f"{name}.yaml", request.getfixturevalue(server), sink="[out.mkv, out.jsonl]")
    pictures = images(tmp_path / "out.mkv")
    assert [picture.shape for picture in pictures] == [(SIZE[1], SIZE[0], 3)] * (BRIGHT + DARK)
    x0, y0, x1, y1 = BOX
    for picture in pictures[:BRIGHT]:
        green = picture[:, :, 1] > 128
        assert green[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4].all()
        green[y0 - 4 : y1 + 4, x0 - 4 : x1 + 4] = False
        assert not green.any()
        assert picture[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4, [0, 2]].mean() < 60
    assert all(picture.max() < 60 for picture in pictures[BRIGHT:])


@pytest.mark.parametrize("size", ["640x480", "1920x1080", "321x241"])
def test_a_face_is_found_where_it_is_whatever_the_size(
    opencv: None, footage: Path, flowrun_here: Any, tmp_path: Path, size: str
) -> None:
    done = flowrun_here(
        *(FLOWS / "face_detection_unary.yaml", "--input-stream", footage / "again.mkv"),
        *("--grpc-address", "embedded", "--limit-frames", "20", "--set", f"source.size={size}"),
        *("--set", "sink=[out.mkv, out.jsonl]"),
    )
    assert done.returncode == 0, done.stderr
    width, height = map(int, size.split("x"))
    for line in (tmp_path / "out.jsonl").read_text().splitlines():
        found = json.loads(line)["data"]["detections"]
        x0, y0, x1, y1 = max(found, key=lambda each: float(each["score"]))["box"]
        middle = ((x0 + x1) / 2 / width, (y0 + y1) / 2 / height)
        assert middle == pytest.approx((0.5, 0.23), abs=0.05)  # seen in the pictures
        assert (x1 - x0) / width == pytest.approx(0.13, abs=0.03)
    assert len(images(tmp_path / "out.mkv")) == 20


def test_mediapipe_tracks_every_frame_of_a_recording(
    mediapipe_python: str, footage: Path, flowrun_here: Any, tmp_path: Path
) -> None:
    with serve(["holisticTracking"], "127.0.0.1:0", mediapipe_python) as server:
        done = flowrun_here(
            *(FLOWS / "holistic_file.yaml", "--input-stream", footage / "again.mkv"),
            *("--grpc-address", server.address, "--output-stream", "out.mkv"),
        )
    assert done.returncode == 0, done.stderr
    drawn, given = images(tmp_path / "out.mkv"), images(footage / "again.mkv")
    assert len(drawn) == len(given) == 77
    for picture, original in zip(drawn, given, strict=True):
        changed = np.abs(picture.astype(int) - original).max(axis=2) > 60
        assert changed[70:160, 270:370].mean() > 0.03  # the face
        assert changed[160:330, 200:440].mean() > 0.01  # the shoulders, arms and hands
        assert changed[:, :150].mean() < 0.01  # the wall
