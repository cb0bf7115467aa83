"""Hooks declare what they read: a model that does not fit is found before the first frame."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from flowrun.errors import HookError, InvalidFlowError
from flowrun.hooks.loader import open_checking, open_hooks
from flowrun.hooks.outputs import HookOutputs
from flowrun.hooks.suggestions import suggest
from flowrun.inference import TensorInfo
from flowrun.spec.flow import HookSpec

Declared = tuple[str, tuple[int, ...]]
UNKNOWN: Declared = ("INVALID", ())


def outputs(**declared: Declared) -> dict[str, TensorInfo]:
    return {name: TensorInfo(name, *each) for name, each in declared.items()}


def refusals(name: str, with_: dict[str, Any], **declared: Declared) -> list[str]:
    """Why a hook of flowrun's cannot read these outputs."""
    hooks = open_hooks([HookSpec(f"flowrun.hooks.{name}:{name}", with_)], "postprocess")
    return [each.message for each in HookOutputs(hooks).problems(outputs(**declared))]


def fp32(*shape: int) -> Declared:
    return ("FP32", shape)


FITTING: list[tuple[str, dict[str, Any], dict[str, Declared]]] = [
    ("decode_yolo", {}, {"output0": fp32(1, 84, 8400)}),
    ("decode_yolo", {}, {"output0": ("FP16", (-1, 84, -1))}),
    ("decode_yolo", {}, {"any": fp32(1, -1, 85)}),
    ("decode_yolo", {}, {"any": fp32(-1, -1, -1)}),
    ("decode_yolo", {}, {"any": fp32(1, -1, 6)}),
    ("decode_yolo", {"layout": "v8"}, {"any": fp32(1, -1, 6)}),
    ("decode_yolo", {"keypoints": 17}, {"any": fp32(1, 56, 8400)}),
    ("decode_yolo", {"task": "obb"}, {"any": fp32(1, 20, 8400)}),
    (
        "decode_yolo",
        {"masks": "output1"},
        {"output0": fp32(1, 116, -1), "output1": fp32(1, 32, 160, 160)},
    ),
    ("decode_yolo", {}, {"output0": fp32(1, 84, 8400), "raw": fp32(1, 255, 80, 80)}),
    ("decode_yolo", {}, {"output0": UNKNOWN, "other": UNKNOWN}),
    ("decode_detr", {}, {"pred_boxes": fp32(1, 300, 4), "logits": fp32(1, 300, 80)}),
    ("decode_detr", {}, {"pred_boxes": fp32(-1, -1, 4), "logits": fp32(-1, -1, -1)}),
    ("decode_ssd", {}, {"detection_out": fp32(1, 1, 200, 7)}),
    ("decode_ssd", {}, {"detection_out": fp32(-1, -1)}),
    ("decode_boxes", {}, {"boxes": fp32(-1, 5), "labels": ("INT64", (-1,))}),
    ("decode_boxes", {}, {"boxes": ("INT32", (-1, 4)), "scores": fp32(-1)}),
    (
        "decode_tensorflow",
        {},
        {
            "detection_boxes": fp32(1, 100, 4),
            "detection_scores": fp32(1, 100),
            "detection_classes": fp32(1, 100),
        },
    ),
    ("decode_classes", {}, {"any": fp32(1, 1000)}),
    ("decode_classes", {}, {"any": fp32(-1, 1000, 1, 1)}),
    ("decode_mask", {}, {"any": ("INT64", (1, 512, 512))}),
    ("decode_mask", {}, {"any": fp32(1, 21, -1, -1)}),
    ("decode_ctc", {}, {"texts": fp32(-1, 1, -1, 37), "text_coordinates": ("INT32", (-1, 4))}),
    ("decode_ctc", {"coordinates": None, "characters": "abc"}, {"texts": fp32(1, 40, 4)}),
    ("picture", {}, {"any": ("UINT8", (-1, -1, 3))}),
    ("picture", {}, {"any": UNKNOWN}),
]


@pytest.mark.parametrize(("name", "with_", "declared"), FITTING)
def test_a_model_that_fits_is_accepted(
    name: str, with_: dict[str, Any], declared: dict[str, Declared], tmp_path: Path
) -> None:
    if "characters" in with_:
        (tmp_path / "keys").write_text("\n".join(with_["characters"]))
        with_ = {**with_, "characters": str(tmp_path / "keys")}
    assert refusals(name, with_, **declared) == []


@pytest.mark.parametrize(
    ("name", "with_", "declared", "text"),
    [
        (
            "decode_yolo",
            {"output": "boxes"},
            {"output0": fp32(1, 84, 8400)},
            "the model has no output 'boxes'",
        ),
        (
            "decode_yolo",
            {},
            {"a": fp32(1, 84, 8400), "b": fp32(1, 3)},
            "the model has several outputs; choose one with the option `output`",
        ),
        (
            "decode_yolo",
            {},
            {"output0": fp32(1, 25200, 6)},
            "output 'output0' is FP32 [1, 25200, 6], expected a shape with one meaning: write"
            " `layout: v5` (one class and objectness), `layout: v8` (two classes, no objectness) or"
            " `layout: end2end` (after NMS)",
        ),
        (
            "decode_yolo",
            {},
            {"output0": ("INT8", (1, 84, 8400))},
            "output 'output0' is INT8 [1, 84, 8400], expected FP16 or FP32",
        ),
        (
            "decode_yolo",
            {},
            {"output0": fp32(1, 116, 8400), "output1": fp32(1, 32, 160, 160)},
            "it has prototypes, and the option `masks` does not name them",
        ),
        (
            "decode_yolo",
            {"masks": "output0"},
            {"output0": fp32(1, 116, 8400)},
            "output 'output0' is FP32 [1, 116, 8400], expected prototypes: FP16 or FP32 with shape"
            " (1, m, height, width)",
        ),
        (
            "decode_ssd",
            {},
            {"detection_out": fp32(1, 1, 200, 6)},
            "output 'detection_out' is FP32 [1, 1, 200, 6], expected numbers with shape (n, 7)",
        ),
        (
            "decode_boxes",
            {},
            {"boxes": fp32(-1, 4)},
            "the model has no output 'scores'",
        ),
        (
            "decode_boxes",
            {},
            {"boxes": ("BYTES", (1,))},
            "output 'boxes' is BYTES [1], expected numbers with shape (n, 4) or (n, 5)",
        ),
        (
            "decode_detr",
            {},
            {"pred_boxes": fp32(1, 300, 5), "logits": fp32(1, 300, 80)},
            "output 'pred_boxes' is FP32 [1, 300, 5], expected numbers with shape (n, 4)",
        ),
        (
            "decode_classes",
            {},
            {"any": fp32(3, 1000)},
            "output 'any' is FP32 [3, 1000], expected numbers with shape (n,)",
        ),
        (
            "decode_ctc",
            {},
            {"texts": fp32(1, 40, 97), "text_coordinates": fp32(1, 4)},
            "output 'texts' is FP32 [1, 40, 97], expected numbers with shape (n, length, 37): 37"
            " characters in the alphabet",
        ),
        (
            "decode_mask",
            {},
            {"any": fp32(21)},
            "output 'any' is FP32 [21], expected class ids (height, width), or numbers (classes,"
            " height, width)",
        ),
        (
            "picture",
            {},
            {"any": fp32(1, 1000)},
            "output 'any' is FP32 [1, 1000], expected an image: uint8 with shape"
            " (height, width, 3)",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_reported(
    name: str, with_: dict[str, Any], declared: dict[str, Declared], text: str
) -> None:
    assert refusals(name, with_, **declared) == [text]


@pytest.mark.parametrize(
    ("declared", "lines"),
    [
        ({"output0": fp32(1, 84, 8400)}, "- decode_yolo"),
        ({"any": fp32(1, 25200, 85)}, "- decode_yolo"),
        ({"any": fp32(1, 300, 6)}, "- decode_yolo"),
        ({"any": fp32(1, 56, 8400)}, "- {hook: decode_yolo, with: {keypoints: 17}}"),
        ({"any": fp32(1, 25200, 6)}, "- {hook: decode_yolo, with: {layout: v5}}"),
        (
            {"output0": fp32(1, 116, 8400), "output1": fp32(1, 32, 160, 160)},
            "- {hook: decode_yolo, with: {masks: output1}}",
        ),
        (
            {"a": fp32(1, 84, 8400), "b": fp32(1, 3)},
            "- {hook: decode_yolo, with: {output: a}}",
        ),
        ({"logits": fp32(1, 300, 80), "pred_boxes": fp32(1, 300, 4)}, "- decode_detr"),
        (
            {"labels.1": fp32(1, 300, 80), "dets": fp32(1, 300, 4)},
            '- {hook: decode_detr, with: {boxes: dets, scores: "labels.1"}}',
        ),
        ({"detection_out": fp32(1, 1, 200, 7)}, "- decode_ssd"),
        ({"x": fp32(1, 1, -1, 7)}, "- {hook: decode_ssd, with: {output: x}}"),
        ({"boxes": fp32(-1, 5), "labels": ("INT64", (-1,))}, "- decode_boxes"),
        (
            {
                "detection_boxes": fp32(1, 100, 4),
                "detection_scores": fp32(1, 100),
                "detection_classes": fp32(1, 100),
            },
            "- decode_tensorflow",
        ),
        ({"any": fp32(1, 1000)}, "- decode_classes"),
        ({"any": ("INT64", (1, 512, 512))}, "- decode_mask"),
        ({"any": fp32(1, 21, 512, 512)}, "- {hook: decode_mask, with: {activation: softmax}}"),
        (
            {"softmax_11.tmp_0": fp32(-1, 40, 6625)},
            '- {hook: decode_ctc, with: {texts: "softmax_11.tmp_0", coordinates: null, characters:'
            " FILE}}",
        ),
        ({"output": ("UINT8", (-1, -1, 3))}, "- picture"),
        ({"text": ("BYTES", (1,))}, None),
        ({"output": UNKNOWN}, None),
    ],
)
def test_the_hook_that_would_fit_is_suggested(
    declared: dict[str, Declared], lines: str | None
) -> None:
    made = suggest(outputs(**declared))
    assert made == (None if lines is None else f"write under `postprocess`:\n  {lines}")


USER = """
constructed = []
def check(outputs):
    if "scores" not in outputs:
        raise ValueError("the model has no scores")
def scored(frame, result): ...
scored.check_outputs = check
def plain(frame, result): ...
class Declares:
    def __init__(self):
        constructed.append("Declares")
    def check_outputs(self, outputs):
        raise KeyError("bug")
    def __call__(self, frame, result): ...
class Plain:
    def __init__(self):
        constructed.append("Plain")
    def __call__(self, frame, result): ...
def wrong(frame, result): ...
wrong.check_outputs = ("scores",)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_hooks.py").write_text(USER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_hooks", raising=False)


@pytest.mark.usefixtures("module")
def test_hooks_of_the_user_may_declare_a_check_too() -> None:
    hooks = open_hooks([HookSpec("own_hooks:plain"), HookSpec("own_hooks:scored")], "postprocess")
    (problem,) = HookOutputs(hooks).problems(outputs(output0=fp32(1, 84, 8400)))
    assert (problem.key, problem.hook) == ("postprocess[1]", "own_hooks:scored")
    assert problem.message == "the model has no scores"
    assert problem.hint == "write under `postprocess`:\n  - decode_yolo"
    assert not list(HookOutputs(hooks).problems(outputs(scores=UNKNOWN)))


@pytest.mark.usefixtures("module")
def test_a_check_that_raises_something_else_is_an_error_of_the_hook() -> None:
    hooks = open_hooks([HookSpec("own_hooks:Declares")], "postprocess")
    with pytest.raises(HookError, match=r"raised KeyError.* in its check_outputs"):
        list(HookOutputs(hooks).problems(outputs(a=UNKNOWN)))


@pytest.mark.usefixtures("module")
def test_a_check_that_is_no_function_is_reported() -> None:
    with pytest.raises(InvalidFlowError) as raised:
        open_hooks([HookSpec("own_hooks:wrong")], "postprocess")
    assert str(raised.value) == (
        "postprocess[0].hook: check_outputs of own_hooks:wrong is tuple, expected a method or a"
        " function\n"
        "  it gets the declared outputs of the model by name, and raises a ValueError"
    )


@pytest.mark.usefixtures("module")
def test_for_a_live_check_only_hooks_that_declare_one_are_constructed() -> None:
    names = ("Plain", "plain", "Declares", "missing")
    specs = [HookSpec(f"own_hooks:{name}") for name in names]
    hooks = open_checking(specs, "postprocess")
    assert [hook.key for hook in hooks] == ["postprocess[2]"]
    assert sys.modules["own_hooks"].constructed == ["Declares"]
