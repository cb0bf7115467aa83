"""Users' code in its place, and errors that say whose it was."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.errors import HookError, InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.hook import check_hooks, open_hooks
from flowrun.spec.flow import HookSpec

FRAME = Frame(np.zeros((2, 2, 3), np.uint8), 7, 0.0, 0.0, 0.0)

MODULE = """
events = []
def brighter(frame, by=1):
    return (frame.index, by)
def both(frame, result, *, threshold=0.5):
    return (result, threshold)
def raises(frame):
    raise KeyError("nose")
class Tracker:
    def __init__(self, size=3):
        self.size = size
    def __call__(self, frame, result):
        return (self.size, result)
    def close(self):
        events.append("closed")
class Broken:
    def __init__(self):
        raise OSError("no model file")
    def __call__(self, frame):
        return frame
class Mute:
    pass
number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    path = tmp_path / "user_hooks.py"
    path.write_text(MODULE)
    yield path
    sys.modules.pop("user_hooks", None)


def opened(name: str, key: str = "preprocess", **with_: Any) -> Any:
    (hook,) = open_hooks([HookSpec(f"user_hooks:{name}", with_)], key)
    return hook


@pytest.mark.usefixtures("module")
def test_a_function_gets_the_frame_and_what_stands_under_with() -> None:
    assert opened("brighter", by=4)(FRAME) == (7, 4)
    assert opened("both", "postprocess", threshold=0.9)(FRAME, "result") == ("result", 0.9)


@pytest.mark.usefixtures("module")
def test_a_class_is_constructed_once_called_for_every_frame_and_closed() -> None:
    hook = opened("Tracker", "postprocess", size=5)
    assert hook(FRAME, "result") == (5, "result")
    hook.close()
    assert sys.modules["user_hooks"].events == ["closed"]


def test_what_a_hook_raises_names_hook_file_line_and_frame(module: Path) -> None:
    with pytest.raises(HookError) as raised:
        opened("raises")(FRAME)
    assert str(raised.value) == (
        f"preprocess[0]: user_hooks:raises raised KeyError: 'nose' at frame 7 ({module}:8)"
    )
    assert isinstance(raised.value.__cause__, KeyError)


def test_what_a_constructor_raises_names_it_too(module: Path) -> None:
    with pytest.raises(HookError) as raised:
        opened("Broken")
    assert str(raised.value) == (
        "preprocess[0]: user_hooks:Broken raised OSError: no model file when it was constructed"
        f" ({module}:18)"
    )


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "key", "with_", "text"),
    [
        ("number", "preprocess", {}, "user_hooks:number is int, not a callable or a class"),
        (
            "brighter",
            "preprocess",
            {"bye": 1},
            "user_hooks:brighter(frame, by=1) does not take (frame, bye=…): got an unexpected"
            " keyword argument 'bye'",
        ),
        (
            "brighter",
            "postprocess",
            {"by": 1},
            "user_hooks:brighter(frame, by=1) does not take (frame, result, by=…): multiple"
            " values for argument 'by'",
        ),
        (
            "raises",
            "postprocess",
            {},
            "user_hooks:raises(frame) does not take (frame, result): too many positional arguments",
        ),
        (
            "Mute",
            "preprocess",
            {},
            "user_hooks:Mute is a class whose objects cannot be called\n"
            "  give it a __call__ method",
        ),
    ],
)
def test_what_cannot_be_called_so_is_said_before_the_first_frame(
    name: str, key: str, with_: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        opened(name, key, **with_)
    assert str(raised.value).partition(": ")[2] == text


@pytest.mark.usefixtures("module")
def test_checking_finds_everything_and_constructs_nothing() -> None:
    specs = [HookSpec(f"user_hooks:{name}") for name in ("brighter", "Broken", "nothing", "number")]
    found = check_hooks(specs, "preprocess")
    assert [error.key for error in found] == ["preprocess[2].hook", "preprocess[3].hook"]


def test_every_hook_of_the_library_can_be_a_hook() -> None:
    draw: Callable[..., Any] = open_hooks(
        [HookSpec("flowrun.hooks.draw_ssd:draw_ssd", {"threshold": 0.4})], "postprocess"
    )[0]
    assert draw is not None
