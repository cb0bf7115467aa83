"""Whatever a hook returns is used or is an error that names the hook, its place and the frame."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from flowrun.chain.hook_results import checked
from flowrun.errors import HookError
from flowrun.frame import Frame
from flowrun.hooks.loader import Hook

FRAME = Frame(np.zeros((4, 6, 3), np.uint8), 7, 0.0, 0.0, 0.0)


class Mute:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


class Classless:
    @property
    def __class__(self) -> Any:
        raise RuntimeError("no class")

    @__class__.setter
    def __class__(self, value: Any) -> None:
        """mypy wants one."""


class ShapeOnly:
    shape = (1, 2, 3)


class Torn(dict[str, Any]):
    def items(self) -> Any:
        raise KeyError("items")


class Wild(np.ndarray[Any, Any]):
    def __getitem__(self, _: Any) -> Any:
        raise RuntimeError("wild")


def hook(key: str) -> Hook:
    return Hook(key, "my:hook", "fail", lambda frame: frame, lambda: None, "/my.py:12")


def refusal(made: Any, key: str = "preprocess[0]") -> str:
    with pytest.raises(HookError) as raised:
        checked(hook(key), made, FRAME, last=True)
    return raised.value.message


IMAGE = np.zeros((2, 2, 3), np.uint8)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (ShapeOnly, "ShapeOnly"),
        (Mute, "Mute"),
        (Classless, "Classless, which raised RuntimeError: no class,"),
        (lambda: "x" * 10_000, "str"),
        (lambda: {"image": [1, 2, 3]}, "list as the tensor 'image'"),
        (lambda: {5: IMAGE}, "a mapping with the key 5 (int)"),
        (lambda: {Mute(): IMAGE}, "a mapping with the key <Mute without a text> (Mute)"),
        (lambda: {"a\n": Mute()}, "Mute as the tensor 'a'"),
        (lambda: Torn(image=IMAGE), "Torn, which raised KeyError: 'items',"),
        (lambda: {"image": np.zeros(3, complex)},
         "an array of complex128, which the protocol does not support, as the"
         " tensor 'image'"),
        (lambda: {"image": np.array([Mute()], object)}, "an array of Mute as the tensor 'image'"),
        (lambda: {"image": np.array(["\ud800"])}, "dict, which raised UnicodeEncodeError: 'utf-8'"
         " codec can't encode character '\\ud800' in position 0: surrogates not allowed,"),
        (lambda: {"image": np.broadcast_to(np.uint8(0), (2**16, 2**16, 3))},
         "12 GiB as the tensor 'image'"),
        (lambda: np.broadcast_to(np.uint8(0), (2**16, 2**16, 3)), "12 GiB"),
        (lambda: FRAME.with_image("x"), "str"),  # type: ignore[arg-type]
        (lambda: FRAME.changed(IMAGE, 5, None), "a Frame whose data is int"),  # type: ignore[arg-type]
        (lambda: FRAME.changed(IMAGE, {5: 1}, None),  # type: ignore[dict-item]
         "a Frame with data under the key 5 (int)"),
        (lambda: FRAME.changed(IMAGE, {}, "left"), "a Frame whose view is str"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_what_a_preprocess_hook_must_not_return_is_named(make: Any, what: str) -> None:
    assert refusal(make()) == f"my:hook returned {what} at frame 7 (/my.py:12)"


def test_a_postprocess_hook_returns_no_tensors() -> None:
    made = {"image": IMAGE}
    assert refusal(made, "postprocess[0]") == "my:hook returned dict at frame 7 (/my.py:12)"


def test_arrays_of_other_classes_become_plain_ones() -> None:
    frame = checked(hook("preprocess[0]"), IMAGE.view(Wild), FRAME, last=True)
    assert isinstance(frame, Frame)
    assert type(frame.image) is np.ndarray
    tensors = checked(hook("preprocess[0]"), {"a": np.zeros(3).view(Wild)}, FRAME, last=True)
    assert isinstance(tensors, dict)
    assert type(tensors["a"]) is np.ndarray


def test_data_of_another_mapping_becomes_a_dict() -> None:
    made = FRAME.changed(IMAGE, MappingProxyType({"a": 1}), None)
    frame = checked(hook("preprocess[0]"), made, FRAME, last=True)
    assert isinstance(frame, Frame)
    assert type(frame.data) is dict
    assert frame.data == {"a": 1}
