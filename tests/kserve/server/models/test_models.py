from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flowrun.errors import InvalidFlowError
from flowrun.inference import TensorInfo
from flowrun.kserve.server.models import MODELS, parse_name, resolve_model
from flowrun.kserve.server.models.edges import BAND
from flowrun.kserve.server.models.registry import ISOLATED

Picture = npt.NDArray[np.uint8]

pictures = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda size: arrays(np.uint8, (*size, 3))
)


def infer(name: str, image: Picture) -> Picture:
    answer = MODELS[name].make()(image)
    assert isinstance(answer, np.ndarray)
    return answer


def refusal(name: str) -> str:
    with pytest.raises(InvalidFlowError) as caught:
        resolve_model(name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["identity", "grayscale", "edges"])
def test_a_built_in_model_returns_an_image(name: str) -> None:
    image = np.full((64, 37, 3), 200, np.uint8)
    image.flags.writeable = False
    answer = infer(name, image)
    assert answer.dtype == np.uint8
    assert answer.shape == (64, 37, 3)
    assert resolve_model(name).inputs == (TensorInfo("image", "UINT8", (-1, -1, 3)),)
    assert resolve_model(name).outputs == (TensorInfo("output", "UINT8", (-1, -1, 3)),)


def test_identity_returns_the_same_array() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    assert infer("identity", image) is image


@settings(max_examples=settings().max_examples // 2)
@given(pictures)
def test_grayscale_is_the_luma_of_bt601_in_three_channels(image: Picture) -> None:
    exact = image @ np.array([0.299, 0.587, 0.114])
    answer = infer("grayscale", image)
    assert np.abs(answer - exact[..., None]).max() <= 1


def test_grayscale_does_not_change_grey() -> None:
    image = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(16, 16, 3)
    assert (infer("grayscale", image) == image).all()


@settings(max_examples=settings().max_examples // 2)
@given(pictures)
def test_edges_are_the_sobel_gradient_with_a_black_border(image: Picture) -> None:
    grey = infer("grayscale", image)[..., 0].astype(int)
    expected = np.zeros_like(grey)
    for y in range(1, grey.shape[0] - 1):
        for x in range(1, grey.shape[1] - 1):
            around = grey[y - 1 : y + 2, x - 1 : x + 2]
            horizontal = (around * [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]).sum()
            vertical = (around * [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]).sum()
            expected[y, x] = min(255, abs(horizontal) + abs(vertical))
    assert (infer("edges", image) == expected[..., None]).all()


@pytest.mark.parametrize("height", [BAND + 1, BAND + 2, BAND + 3, 2 * BAND + 2, 2 * BAND + 3])
def test_edges_do_not_show_where_a_band_ends(height: int) -> None:
    column = np.random.default_rng(7).integers(0, 256, (1, 20, 3), np.uint8)
    answer = infer("edges", np.repeat(column, height, axis=0))  # every row is the same
    assert (answer[1:-1] == answer[1]).all()
    assert answer[1].any()
    assert not answer[[0, -1]].any()


def test_a_function_of_the_working_directory_is_a_model(folder: Path) -> None:
    (folder / "wd_model.py").write_text("def invert(image): return 255 - image\n")
    model = resolve_model("wd_model:invert")
    assert model.name == "wd_model:invert"
    assert model.inputs == (TensorInfo("image", "UINT8", (-1, -1, 3)),)
    assert model.outputs == (TensorInfo("output"),)  # what it answers is not known before it runs
    answer = model.make()(np.zeros((1, 1, 3), np.uint8))
    assert isinstance(answer, np.ndarray)
    assert answer.tolist() == [[[255, 255, 255]]]


def test_a_class_is_constructed_by_every_make(folder: Path) -> None:
    (folder / "wd_class_model.py").write_text(
        "class Count:\n"
        "    def __init__(self): self.seen = 0\n"
        "    def __call__(self, image): self.seen += 1; return image + self.seen\n"
    )
    model = resolve_model("wd_class_model:Count")
    assert model.make() is not model.make()


def test_an_object_of_a_module_is_shared_and_not_closed(folder: Path) -> None:
    (folder / "wd_instance.py").write_text(
        "class Loaded:\n"
        "    def __call__(self, image): return image\n"
        "    def close(self): raise RuntimeError\n"
        "loaded = Loaded()\n"
    )
    made = resolve_model("wd_instance:loaded").make()
    assert made(np.zeros((1, 1, 3), np.uint8)) is not None
    assert not hasattr(made, "close")


def test_a_callable_may_name_its_tensors(folder: Path) -> None:
    (folder / "wd_named.py").write_text(
        "def detect(image): return {}\n"
        "detect.input = 'first_input_video'\n"
        "detect.outputs = ('boxes', 'scores')\n"
    )
    model = resolve_model("wd_named:detect")
    assert model.inputs == (TensorInfo("first_input_video", "UINT8", (-1, -1, 3)),)
    assert model.outputs == (TensorInfo("boxes"), TensorInfo("scores"))


def test_a_callable_with_one_output_may_name_it_without_a_tuple(folder: Path) -> None:
    (folder / "wd_single.py").write_text("def f(image): return image\nf.outputs = 'mask'\n")
    assert resolve_model("wd_single:f").outputs == (TensorInfo("mask"),)


def test_a_model_may_be_given_another_name(folder: Path) -> None:
    (folder / "wd_renamed.py").write_text("def f(image): return image\n")
    assert [resolve_model(model, "mine").name for model in ("edges", "wd_renamed:f")] == [
        "mine"
    ] * 2


@pytest.mark.parametrize(
    ("word", "name", "model"),
    [
        ("edges", "edges", "edges"),
        ("package.module:name", "package.module:name", "package.module:name"),
        ("mine=edges", "mine", "edges"),
        ("models/face.v2.xml", "face.v2", "models/face.v2.xml"),
        ("face.ONNX", "face", "face.ONNX"),
        ("mine=face.onnx", "mine", "face.onnx"),
    ],
)
def test_the_name_of_a_model(word: str, name: str, model: str) -> None:
    assert parse_name(word) == (name, model)


@pytest.mark.parametrize(
    ("model", "package", "distribution"),
    [
        ("face-detection", "cv2", "'opencv-python-headless<5'"),
        ("some.onnx", "openvino", "openvino"),
    ],
)
def test_a_missing_package_is_named_with_the_command_to_install_it(
    monkeypatch: pytest.MonkeyPatch, model: str, package: str, distribution: str
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", {}.get)
    assert refusal(model) == (
        f"transport.model: model {model!r} needs the package {package}, which is not installed\n"
        f"  pip install {distribution}"
    )


def test_for_a_misspelt_model_the_nearest_name_is_suggested() -> None:
    assert refusal("edgse") == (
        "transport.model: there is no built-in model 'edgse'\n"
        f"  did you mean 'edges'? built-in models: {', '.join([*MODELS, *ISOLATED])};"
        " for your own write package.module:name, or the path of an .onnx or .xml file"
    )


def test_for_an_unknown_name_the_models_are_listed() -> None:
    assert refusal("ByteTrack") == (
        "transport.model: there is no built-in model 'ByteTrack'\n"
        f"  built-in models: {', '.join([*MODELS, *ISOLATED])}; for your own write"
        " package.module:name, or the path of an .onnx or .xml file"
    )


def test_a_dotted_path_to_nothing_names_the_module() -> None:
    assert refusal("json.decodr:f") == (
        "transport.model: there is no module 'json.decodr' (in 'json.decodr:f')\n"
        "  did you mean 'decoder'?"
    )


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("math:pi", "of type float, which is not callable"),
        ("argparse:Namespace", "a class without __call__"),
    ],
)
def test_an_object_that_is_not_callable_with_an_image_is_refused(path: str, what: str) -> None:
    assert refusal(path) == (
        f"transport.model: {path!r} is {what}\n"
        "  a model is a function that takes an image, or a class with __call__(self, image)"
    )
