"""Images as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.frame import Frame
from flowrun.hooks.to_tensor import to_tensor

IMAGE = np.random.default_rng(3).integers(0, 256, (5, 7, 3), np.uint8)
FRAME = Frame(IMAGE, 0, 0.0, 0.0, 0.0)
numbers = st.floats(1 / 128, 500, width=32)
three = st.one_of(numbers, st.lists(numbers, min_size=3, max_size=3))


@pytest.mark.parametrize("dtype", ["uint8", "fp16", "fp32"])
@pytest.mark.parametrize(
    ("layout", "shape", "axes"),
    [
        ("HWC", (5, 7, 3), (0, 1, 2)),
        ("CHW", (3, 5, 7), (2, 0, 1)),
        ("NHWC", (1, 5, 7, 3), (0, 1, 2)),
        ("NCHW", (1, 3, 5, 7), (2, 0, 1)),
    ],
)
def test_layout_and_dtype_are_those_of_the_options(
    layout: str, dtype: str, shape: tuple[int, ...], axes: tuple[int, ...]
) -> None:
    tensor = to_tensor(layout, dtype)(FRAME)
    assert tensor.shape == shape
    assert tensor.dtype == {"uint8": np.uint8, "fp16": np.float16, "fp32": np.float32}[dtype]
    assert (tensor.reshape(shape[-3:]) == IMAGE.transpose(axes)).all()
    assert tensor.flags.c_contiguous
    assert tensor.flags.writeable
    assert not np.shares_memory(tensor, IMAGE)


@given(st.sampled_from(["HWC", "NCHW"]), three, three, numbers)
def test_the_mean_goes_first_then_the_scale_then_the_deviation(
    layout: str, mean: Any, std: Any, scale: float
) -> None:
    tensor = to_tensor(layout, "fp32", mean, std, scale)(FRAME)
    wanted = (IMAGE.astype(float) - mean) * scale / std
    if layout == "NCHW":
        tensor = tensor[0].transpose(1, 2, 0)
    exact = 1e-6 * 500 * scale / np.asarray(std)  # fp32, and as its larger part is the difference
    assert (abs(tensor - wanted) <= exact).all()


def test_half_precision_is_rounded_once_at_the_end() -> None:
    exact = to_tensor("HWC", "fp32", mean=123.675, std=58.395)(FRAME)
    half = to_tensor("HWC", "fp16", mean=123.675, std=58.395)(FRAME)
    assert (half == exact.astype(np.float16)).all()


def test_it_is_three_channels_first_in_fp32_by_default() -> None:
    assert to_tensor()(FRAME).dtype == np.float32
    assert to_tensor()(FRAME).shape == (1, 3, 5, 7)
