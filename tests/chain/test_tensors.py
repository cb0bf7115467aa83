"""Pictures to tensors, and outputs to pictures."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow

from flowrun.chain.tensors import to_picture, to_request, to_tensor
from flowrun.errors import ContractError
from flowrun.inference import Result
from flowrun.kserve.wire.tensors import datatype_of, from_raw, to_raw
from flowrun.spec.flow import TransportSpec

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


def spec(**keys: Any) -> TransportSpec:
    return TransportSpec(mode="stream", address=("embedded",), model="m", **keys)


def test_a_picture_is_sent_unchanged_by_default() -> None:
    assert to_tensor(IMAGE, spec(), "rgb") is IMAGE


@pytest.mark.parametrize("dtype", ["uint8", "int32", "fp16", "fp32", "fp64"])
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("batch", [False, True])
def test_what_is_sent_comes_back_as_the_same_picture(dtype: Any, layout: Any, batch: bool) -> None:
    flow = spec(dtype=dtype, layout=layout, batch=batch)
    tensor = to_tensor(IMAGE, flow, "rgb")
    shape = (6, 4, 3) if layout == "HWC" else (3, 6, 4)
    assert tensor.shape == ((1, *shape) if batch else shape)
    if dtype != "int32":
        assert (to_picture(Result({"output": tensor}), flow) == IMAGE).all()


def waves(height: int = 120, width: int = 160) -> npt.NDArray[np.uint8]:
    """A smooth picture whose channels differ everywhere."""
    y, x = np.mgrid[:height, :width]
    planes = [128 + 100 * np.sin(x / 30), 60 + y / 2, 200 - x / 2]
    return np.stack(planes, axis=2).astype(np.uint8)


@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_a_jpeg_has_true_colours_whatever_the_order_of_the_channels(color: Any) -> None:
    image = waves()
    given = image if color == "rgb" else image[:, :, ::-1]
    (compressed,) = to_tensor(given, spec(encoding="jpeg"), color).tolist()
    decoded = np.asarray(Pillow.open(io.BytesIO(compressed)), np.int16)
    assert decoded.shape == image.shape
    assert np.abs(decoded - image).mean() < 2
    assert len(compressed) < image.nbytes / 8


def test_a_jpeg_is_one_element_of_bytes_after_its_length() -> None:
    request = to_request(waves(), spec(encoding="jpeg", input="image"), "rgb")
    tensor = request.inputs["image"]
    assert (datatype_of(tensor), tensor.shape, request.made_by) == ("BYTES", (1,), "transport")
    raw = to_raw(tensor, "BYTES")
    assert raw[:4] == (len(raw) - 4).to_bytes(4, "little")
    assert raw[4:6] == b"\xff\xd8"
    assert from_raw(raw, "BYTES", (1,)).tolist() == tensor.tolist()


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 1), (1, 6, 4, 1)])
def test_a_grey_output_becomes_a_picture_of_three_channels(shape: tuple[int, ...]) -> None:
    grey = IMAGE[:, :, 0].reshape(shape)
    picture = to_picture(Result({"output": grey}), spec())
    assert picture.shape == (6, 4, 3)
    assert (picture == IMAGE[:, :, :1]).all()


def test_floats_are_rounded_and_clipped() -> None:
    answer = np.full((2, 2, 3), [-3.0, 99.6, 300.0], np.float32)
    picture = to_picture(Result({"output": answer}), spec())
    assert picture[0, 0].tolist() == [0, 100, 255]


@pytest.mark.parametrize(
    ("outputs", "output", "text"),
    [
        (
            {"boxes": np.zeros((1, 1, 200, 7), np.float32)},
            None,
            "transport.output: 'boxes' is float32 of shape (1, 1, 200, 7), which is not a picture\n"
            "  use a postprocess hook to make a picture from it",
        ),
        (
            {"a": IMAGE, "b": IMAGE},
            None,
            "transport.output: the response has the outputs 'a', 'b'; the flow does not set which"
            " one is the picture\n  name one of them, or use a postprocess hook to make a picture"
            " from it",
        ),
        ({"a": IMAGE}, "b", "transport.output: the response has no output 'b', only 'a'"),
    ],
)
def test_the_error_for_an_output_that_is_not_a_picture_has_the_key(
    outputs: Any, output: str | None, text: str
) -> None:
    with pytest.raises(ContractError) as raised:
        to_picture(Result(outputs), spec(output=output))
    assert str(raised.value) == text
