"""Options of hooks: what is accepted, and the errors for anything else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flowrun.errors import InvalidFlowError
from flowrun.hooks.loader import open_hooks
from flowrun.hooks.support import options
from flowrun.spec.flow import HookSpec


def test_a_size_is_a_string_or_two_numbers() -> None:
    assert options.size("size", "640x480") == (640, 480)
    assert options.size("size", [640, 480]) == (640, 480)


def test_strings_are_converted_as_variables_give_strings() -> None:
    assert options.number("threshold", "0.5") == 0.5
    assert options.integer("k", "3") == 3
    assert options.boolean("scores", "false") is False
    assert options.per_channel("mean", ["1", 2, "3.5"]).tolist() == [1, 2, 3.5]
    assert options.color("fill", "114") == (114, 114, 114)
    for value in ("NaN", "Infinity", '"1"', "[1]", "true", ""):
        with pytest.raises(InvalidFlowError):
            options.number("threshold", value)


def test_one_number_stands_for_all_three_channels() -> None:
    assert options.per_channel("mean", 127.5).tolist() == [127.5] * 3
    assert options.per_channel("mean", [1, 2.5, 3]).tolist() == [1, 2.5, 3]
    assert options.per_channel("mean", 1).dtype == np.float32
    assert options.color("fill", 114) == (114, 114, 114)
    assert options.color("fill", [0, 128, 255]) == (0, 128, 255)


@pytest.mark.parametrize(
    ("hook", "with_", "text"),
    [
        (
            "resize:resize",
            {"size": 300},
            "size: 300 is not a size in pixels\n  write it as 300x300 or [300, 300]",
        ),
        (
            "resize:resize",
            {"size": [300, 0]},
            "size: [300, 0] is not a size in pixels\n  write it as 300x300 or [300, 300]",
        ),
        (
            "resize:resize",
            {"size": "8x8", "filter": "cubic"},
            "filter: 'cubic' is not one of nearest, bilinear, bicubic, lanczos",
        ),
        (
            "letterbox:letterbox",
            {"size": "8x8", "fill": 256},
            "fill: 256 is not a value from 0 to 255 or three, one for each channel",
        ),
        (
            "letterbox:letterbox",
            {"size": "8x8", "fill": [1, 2]},
            "fill: [1, 2] is not a value from 0 to 255 or three, one for each channel",
        ),
        (
            "letterbox:letterbox",
            {"size": "8x8", "position": "left"},
            "position: 'left' is not one of center, top-left",
        ),
        ("align:align", {"width": 0}, "width: 0 is not an integer of at least 1"),
        ("align:align", {"height": True}, "height: True is not an integer of at least 1"),
        (
            "to_tensor:to_tensor",
            {"layout": "CHWN"},
            "layout: 'CHWN' is not one of HWC, CHW, NHWC, NCHW",
        ),
        (
            "to_tensor:to_tensor",
            {"dtype": "float32"},
            "dtype: 'float32' is not one of uint8, fp16, fp32",
        ),
        (
            "to_tensor:to_tensor",
            {"mean": [1, 2]},
            "mean: [1, 2] is not one number or three, one for each channel",
        ),
        (
            "to_tensor:to_tensor",
            {"std": [1, 0, 1]},
            "std: [1, 0, 1] is not one nonzero number or three, one for each channel",
        ),
        ("to_tensor:to_tensor", {"scale": "1/255"}, "scale: '1/255' is not a number"),
        (
            "to_tensor:to_tensor",
            {"dtype": "uint8", "scale": 0.5},
            "dtype: 'uint8' is not a type for normalized values\n  write fp16 or fp32",
        ),
    ],
)
def test_an_invalid_option_is_reported_before_the_first_frame(
    hook: str, with_: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        open_hooks([HookSpec(f"flowrun.hooks.{hook}", with_)], "preprocess")
    assert str(raised.value) == f"preprocess[0].with.{text}"
