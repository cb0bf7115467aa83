"""Models in files behind the embedded server, through OpenVINO."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from flowrun.errors import InvalidFlowError, UsageError
from flowrun.inference import TensorInfo
from flowrun.kserve.server.embedded import serve
from flowrun.kserve.server.models import resolve_model
from flowrun.kserve.wire.tensors import DATATYPES

Tensor = npt.NDArray[Any]
BLUE, RED = (255, 200, 0), (0, 200, 255)  # as BGR


@pytest.fixture(scope="module")
def client(openvino_models: Path) -> Iterator[Any]:
    words = [str(path) for path in openvino_models.glob("*.xml")]
    with (
        serve(words, "127.0.0.1:0") as server,
        triton.InferenceServerClient(server.address) as client,
    ):
        yield client


def planes(side: int, *boxes: tuple[int, int, int, int], color: tuple[int, ...] = BLUE) -> Tensor:
    """FP32 (1, 3, side, side), dark but for the boxes."""
    picture = np.full((1, 3, side, side), 20, np.float32)
    for x0, y0, x1, y1 in boxes:
        picture[0, :, y0:y1, x0:x1] = np.array(color)[:, None, None]
    return picture


def pixels(side: int, *boxes: tuple[int, int, int, int], color: tuple[int, ...] = BLUE) -> Tensor:
    """UINT8 (1, side, side, 3), the same."""
    picture = planes(side, *boxes, color=color).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(picture).astype(np.uint8)


def infer(client: Any, model: str, name: str, array: Tensor) -> Any:
    given = triton.InferInput(name, array.shape, "UINT8" if array.dtype == np.uint8 else "FP32")
    given.set_data_from_numpy(array)
    return client.infer(model, [given], client_timeout=60)


def test_metadata_is_that_of_the_file(client: Any) -> None:
    assert client.get_model_metadata("text", as_json=True) == {
        "name": "text",
        "versions": ["1"],
        "platform": "flowrun",
        "inputs": [{"name": "image", "datatype": "FP32", "shape": ["1", "704", "704", "3"]}],
        "outputs": [{"name": "boxes", "datatype": "FP32", "shape": ["-1", "5"]}],
    }
    outputs = client.get_model_metadata("faster_rcnn", as_json=True)["outputs"]
    assert [(each["name"], each["shape"]) for each in outputs] == [
        ("detection_boxes", ["1", "100", "4"]),
        ("detection_classes", ["1", "100"]),
        ("detection_scores", ["1", "100"]),
        ("num_detections", ["1"]),
    ]


@pytest.mark.parametrize(
    ("model", "side"), [("face-detection", 300), ("person-vehicle-detection", 1024)]
)
@pytest.mark.parametrize(("color", "label"), [(BLUE, 1), (RED, 2)])
def test_a_detector_returns_the_box_around_the_bright_pixels(
    client: Any, model: str, side: int, color: tuple[int, ...], label: int
) -> None:
    box = (30, 60, 150, 90)
    answer = infer(client, model, "data", planes(side, box, color=color)).as_numpy("detection_out")
    assert answer.shape == (1, 1, 200, 7)
    assert answer[0, 0, 0] == pytest.approx([0, label, 0.875, *(edge / side for edge in box)])
    assert (answer[0, 0, 1:, 0] == -1).all()


def test_a_detector_without_a_detection_marks_its_first_row(client: Any) -> None:
    answer = infer(client, "face-detection", "data", planes(300)).as_numpy("detection_out")
    assert answer[0, 0, 0, 0] == -1


@pytest.mark.parametrize(
    "boxes", [[], [(30, 60, 150, 90)], [(400, 10, 500, 30)], [(30, 60, 150, 90), (400, 1, 704, 30)]]
)
def test_an_output_of_dynamic_size_has_as_many_rows_as_were_found(
    client: Any, boxes: list[tuple[int, int, int, int]]
) -> None:
    answer = infer(client, "text", "image", pixels(704, *boxes).astype(np.float32)).as_numpy(
        "boxes"
    )
    assert answer.shape == (len(boxes), 5)
    assert answer.tolist() == [[*box, 0.75] for box in boxes]


def test_a_classifier_returns_every_class(client: Any) -> None:
    picture = np.full((1, 224, 224, 3), 91, np.uint8)
    answer = infer(client, "resnet", "gpu_0/data_0", picture).as_numpy("gpu_0/softmax_1")
    assert answer.shape == (1, 1000)
    assert answer.argmax() == 91
    assert answer.sum() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("color", "kind"), [(BLUE, 1), (RED, 3)])
def test_a_model_may_have_several_outputs(client: Any, color: tuple[int, ...], kind: int) -> None:
    picture = pixels(255, (51, 102, 204, 255), color=color)
    answer = infer(client, "faster_rcnn", "input_tensor", picture)
    assert answer.as_numpy("detection_boxes")[0, 0] == pytest.approx([0.4, 0.2, 1.0, 0.8])
    assert answer.as_numpy("detection_classes")[0, 0] == kind
    assert answer.as_numpy("detection_scores")[0, :2].tolist() == [0.875, 0]
    assert answer.as_numpy("num_detections").tolist() == [1]


def test_a_tensor_of_another_shape_is_refused_without_calling_the_model(client: Any) -> None:
    with pytest.raises(InferenceServerException) as caught:
        infer(client, "face-detection", "data", planes(299))
    assert caught.value.message() == (
        "input 'data' has the shape [1, 3, 300, 300], got [1, 3, 299, 299]"
    )


# Other files


@pytest.fixture
def built(openvino_models: Path, tmp_path: Path) -> Callable[..., str]:
    """Save `function` of one parameter of this type and shape; the path of the file."""
    import openvino
    from openvino import opset13 as ops

    def built(function: Callable[[Any], Any], kind: str, shape: list[int]) -> str:
        parameter = ops.parameter(shape, getattr(openvino.Type, kind), name="x")
        model = openvino.Model([ops.result(function(parameter), name="y")], [parameter])
        openvino.save_model(model, tmp_path / "built.xml", compress_to_fp16=False)
        return str(tmp_path / "built.xml")

    return built


@pytest.mark.parametrize(
    ("kind", "datatype"),
    [
        ("boolean", "BOOL"),
        ("u8", "UINT8"),
        ("u16", "UINT16"),
        ("i16", "INT16"),
        ("i64", "INT64"),
        ("f16", "FP16"),
        ("f64", "FP64"),
    ],
)
def test_every_datatype_reaches_a_model_unchanged(
    built: Callable[..., str], kind: str, datatype: str
) -> None:
    from openvino import opset13 as ops

    model = resolve_model(built(lambda x: ops.concat([x, x], 0), kind, [-1]))
    assert model.inputs == (TensorInfo("x", datatype, (-1,)),)
    given = np.array([0, 1, 1]).astype(DATATYPES[datatype][0])
    given.flags.writeable = False
    answer = model.make()({"x": given})
    assert isinstance(answer, dict)
    assert (answer["y"].dtype, answer["y"].tolist()) == (given.dtype, [*given, *given])


def test_an_error_of_openvino_is_shown_without_its_source_lines(
    built: Callable[..., str],
) -> None:
    from openvino import opset13 as ops

    square = ops.constant(np.eye(3, dtype=np.float32))
    path = built(lambda x: ops.add(x, square), "f32", [-1, -1])
    with (
        serve([path], "127.0.0.1:0") as server,
        triton.InferenceServerClient(server.address) as client,
        pytest.raises(InferenceServerException) as caught,
    ):
        infer(client, "built", "x", np.zeros((2, 2), np.float32))
    said = caught.value.message()
    assert said.startswith("model 'built' cannot run with these inputs: ")
    assert "Exception from" not in said
    assert "\n" not in said
    assert "Add" in said


def test_an_unsupported_type_is_named(built: Callable[..., str]) -> None:
    path = built(lambda x: x, "bf16", [1])
    with pytest.raises(InvalidFlowError) as caught:
        resolve_model(path)
    assert str(caught.value) == (
        f"transport.model: {path!r} has the tensor 'x' of type bf16, which flowrun does not"
        " support\n"
        "  supported types: boolean, u8, u16, u32, u64, i8, i16, i32, i64, f16, f32, f64"
    )


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protobuf message; numbers and lengths below 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def test_an_onnx_file_is_a_model(openvino_models: Path, tmp_path: Path) -> None:
    """Written by hand: y = relu(x), FP32 (2, 3)."""
    shape = b"".join(field(1, field(1, size)) for size in (2, 3))
    kind = field(1, field(1, 1) + field(2, shape))
    node = field(1, b"x") + field(2, b"y") + field(4, b"Relu")
    ends = [field(11, field(1, b"x") + field(2, kind)), field(12, field(1, b"y") + field(2, kind))]
    graph = field(1, node) + field(2, b"graph") + b"".join(ends)
    path = tmp_path / "rectify.onnx"
    path.write_bytes(field(1, 8) + field(7, graph) + field(8, field(2, 13)))
    model = resolve_model(str(path), "rectify")
    assert model.name == "rectify"
    assert model.inputs == (TensorInfo("x", "FP32", (2, 3)),)
    assert model.outputs == (TensorInfo("y", "FP32", (2, 3)),)
    answer = model.make()({"x": np.array([[-1, 0, 1], [2, -2, 3]], np.float32)})
    assert isinstance(answer, dict)
    assert answer["y"].tolist() == [[0, 0, 1], [2, 0, 3]]


def test_a_missing_file_is_named_with_the_working_directory(
    openvino_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidFlowError) as caught:
        resolve_model("models/face.xml")
    assert str(caught.value) == (
        f"transport.model: there is no file 'models/face.xml'\n  looked in {tmp_path}"
    )


def test_an_invalid_file_is_refused_with_the_error_of_openvino(
    openvino_models: Path, tmp_path: Path
) -> None:
    path = tmp_path / "broken.xml"
    path.write_text("hello")
    with pytest.raises(InvalidFlowError) as caught:
        resolve_model(str(path))
    assert str(caught.value).startswith(
        f"transport.model: OpenVINO cannot compile {str(path)!r}: Unable to read the model: "
    )
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="sends POSIX signals")
def test_signals_are_handled_after_the_models_are_freed(openvino_models: Path) -> None:
    code = (
        "import signal, sys, threading; from flowrun.kserve.server.models import resolve_model;"
        "models = [resolve_model(sys.argv[1])];"
        "last = threading.Thread(target=models.clear); last.start(); last.join();"
        "handled = []; signal.signal(signal.SIGINT, lambda *_: handled.append(1));"
        "signal.raise_signal(signal.SIGINT); print(handled)"
    )
    words = [sys.executable, "-c", code, str(openvino_models / "resnet.xml")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "[1]\n")


@pytest.fixture(scope="module")
def doubling(openvino_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that doubles `a` FP32 [1, 3, -1, -1], and returns `b` as it is."""
    import openvino
    from openvino import opset13 as ops

    a = ops.parameter([1, 3, -1, -1], np.float32, "a")
    b = ops.parameter([1], np.float32, "b")
    two = ops.multiply(a, ops.constant(np.float32(2)))
    for node, name in ((a, "a"), (b, "b"), (two, "twice")):
        node.output(0).set_names({name})
    path = tmp_path_factory.mktemp("doubling") / "doubling.xml"
    results = [ops.result(two), ops.result(b)]
    openvino.save_model(openvino.Model(results, [a, b]), path, compress_to_fp16=False)
    return path


def test_a_shape_replaces_that_of_the_file(doubling: Path) -> None:
    with serve([str(doubling)], "127.0.0.1:0", shapes=["a=1,3,4,-1"]) as server:
        client = triton.InferenceServerClient(server.address)
        inputs = client.get_model_metadata("doubling", as_json=True)["inputs"]
        client.close()
    assert [(each["name"], each["shape"]) for each in inputs] == [
        ("a", ["1", "3", "4", "-1"]),
        ("b", ["1"]),
    ]


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (
            ["a=1,3,x"],
            "--shape: 'a=1,3,x' is not a shape\n"
            "  write it as 1,3,640,640 or, for one of several inputs, NAME=1,3,640,640; -1 is any"
            " size",
        ),
        (["c=1,3,4,4"], "--shape: '{path}' has no input 'c'\n  its inputs: a, b"),
        (["1,3,4,4"], "--shape: '{path}' has several inputs\n  its inputs: a, b"),
    ],
)
def test_a_shape_that_does_not_apply_is_reported(
    doubling: Path, shapes: list[str], text: str
) -> None:
    with pytest.raises(UsageError) as raised:
        serve([str(doubling)], "127.0.0.1:0", shapes=shapes)
    assert str(raised.value) == text.format(path=doubling)


def test_a_shape_is_for_one_file() -> None:
    with pytest.raises(UsageError) as raised:
        serve(["identity"], "127.0.0.1:0", shapes=["1,3,4,4"])
    assert str(raised.value) == (
        "--shape: it is for the inputs of one model file\n"
        "  0 of the models that are served are files; serve this one alone"
    )
