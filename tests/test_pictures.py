"""From a picture to the model's tensor, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowrun.errors import ContractError
from flowrun.inference import Result
from flowrun.pictures import to_picture, to_tensor
from flowrun.spec.flow import TransportSpec

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 4, 3), np.uint8)


def spec(**keys: Any) -> TransportSpec:
    return TransportSpec(mode="stream", address=("embedded",), model="m", **keys)


def test_a_picture_is_sent_as_it_is_unless_the_flow_says_otherwise() -> None:
    assert to_tensor(IMAGE, spec()) is IMAGE


@pytest.mark.parametrize("dtype", ["uint8", "int32", "fp16", "fp32", "fp64"])
@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("batch", [False, True])
def test_what_is_sent_comes_back_as_the_same_picture(dtype: Any, layout: Any, batch: bool) -> None:
    flow = spec(dtype=dtype, layout=layout, batch=batch)
    tensor = to_tensor(IMAGE, flow)
    shape = (6, 4, 3) if layout == "HWC" else (3, 6, 4)
    assert tensor.shape == ((1, *shape) if batch else shape)
    if dtype != "int32":
        assert (to_picture(Result({"output": tensor}), flow) == IMAGE).all()


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 1), (1, 6, 4, 1)])
def test_a_grey_answer_becomes_a_picture_of_three_channels(shape: tuple[int, ...]) -> None:
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
            "transport.output: 'boxes' is float32 of shape (1, 1, 200, 7), which is no picture\n"
            "  a postprocess hook can make a picture of it",
        ),
        (
            {"a": IMAGE, "b": IMAGE},
            None,
            "transport.output: the answer has the outputs 'a', 'b'; the flow does not say which one"
            " is the picture\n  name one of them, or: a postprocess hook can make a picture of it",
        ),
        ({"a": IMAGE}, "b", "transport.output: the answer has no output 'b', only 'a'"),
    ],
)
def test_an_answer_that_is_no_picture_names_the_key(
    outputs: Any, output: str | None, text: str
) -> None:
    with pytest.raises(ContractError) as raised:
        to_picture(Result(outputs), spec(output=output))
    assert str(raised.value) == text
