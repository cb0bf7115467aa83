"""Hooks are imported, checked, constructed, called and closed; errors name hook and line."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowrun.hooks.loader
from flowrun.errors import HookError, InvalidFlowError
from flowrun.frame import Frame
from flowrun.hooks.guard import CallsInProgress
from flowrun.hooks.loader import check_hooks, open_hooks
from flowrun.hooks.outputs import HookOutputs
from flowrun.inference import Result
from flowrun.spec.flow import HookSpec

LIBRARY = Path(flowrun.hooks.loader.__file__).parent
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
third = lambda frame: [][3]
class Strict:
    def __init__(self, limit):
        self.limit = limit
    def __call__(self, frame):
        if frame.index > self.limit:
            raise ValueError
from operator import index as as_number
import json
def parsed(frame):
    return json.loads(frame)
def viewed(frame):
    return memoryview(frame)
import sys
class Tail(Broken):
    def __call__(self, frame, result):
        return frame
class Leaves:
    def __call__(self, frame):
        sys.exit(3)
    def close(self):
        sys.exit(3)
def scored(frame, result):
    return None
scored.reads_outputs = ("scores",)
class Boxed(Tracker):
    reads_outputs = ["boxes", "scores"]
class Misread(Tracker):
    reads_outputs = "boxes"
class Odd(BaseException):
    def __str__(self):
        raise RuntimeError("no text")
def interrupted(frame):
    raise KeyboardInterrupt
def odd(frame):
    raise Odd
def forged(frame):
    raise ValueError("no\\nflowrun: INFO: all is well \\x1b[2J")
class Mute2:
    def __repr__(self):
        raise RuntimeError("no text")
def strange(frame, more, /, by=Mute2()):
    return frame
def needy(frame, size, scale, *, fill):
    return frame
class Unclosable:
    close = 5
    def __call__(self, frame):
        return frame
class Closed:
    def __call__(self, frame):
        return frame
    @property
    def close(self):
        raise Odd
class Interrupted:
    def __init__(self):
        raise KeyboardInterrupt
    def __call__(self, frame):
        return frame
def __getattr__(name):
    if name == "computed":
        raise Odd
    raise AttributeError(name)
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
def test_a_function_gets_the_frame_and_its_with() -> None:
    assert opened("brighter", by=4)(FRAME) == (7, 4)
    assert opened("both", "postprocess", threshold=0.9)(FRAME, "result") == ("result", 0.9)


@pytest.mark.usefixtures("module")
def test_a_class_is_constructed_once_called_for_every_frame_and_closed() -> None:
    hook = opened("Tracker", "postprocess", size=5)
    assert hook(FRAME, "result") == (5, "result")
    hook.close()
    assert sys.modules["user_hooks"].events == ["closed"]


def test_an_exception_in_a_hook_is_reported_with_hook_file_line_and_frame(module: Path) -> None:
    with pytest.raises(HookError) as raised:
        opened("raises")(FRAME)
    assert str(raised.value) == (
        f"preprocess[0]: user_hooks:raises raised KeyError: 'nose' at frame 7 ({module}:8)"
    )
    assert isinstance(raised.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("name", "with_", "text", "line"),
    [
        ("third", {}, "IndexError: list index out of range", "third = lambda frame: [][3]"),
        ("Strict", {"limit": 6}, "ValueError", "            raise ValueError"),
        ("parsed", {}, "TypeError: the JSON object must be str, bytes or bytearray, not Frame",
         "    return json.loads(frame)"),
        ("viewed", {}, "TypeError: memoryview: a bytes-like object is required, not 'Frame'",
         "    return memoryview(frame)"),
    ],
)  # fmt: skip
def test_the_line_is_the_users_own_in_a_lambda_in_a_class_and_above_a_library(
    module: Path, name: str, with_: dict[str, Any], text: str, line: str
) -> None:
    number = MODULE.splitlines().index(line) + 1
    with pytest.raises(HookError) as raised:
        opened(name, **with_)(FRAME)
    expected = f"user_hooks:{name} raised {text} at frame 7 ({module}:{number})"
    assert str(raised.value).partition(": ")[2] == expected


@pytest.mark.usefixtures("module")
def test_a_callable_written_in_c_has_no_line() -> None:
    with pytest.raises(HookError) as raised:
        opened("as_number")(FRAME)
    assert str(raised.value) == (
        "preprocess[0]: user_hooks:as_number raised TypeError: 'Frame' object cannot be interpreted"
        " as an integer at frame 7"
    )


@pytest.mark.usefixtures("module")
def test_a_constructor_that_raises_closes_the_hooks_before_it() -> None:
    specs = [HookSpec("user_hooks:Tracker"), HookSpec("user_hooks:Tail")]
    with pytest.raises(HookError, match="no model file"):
        open_hooks(specs, "postprocess")
    assert sys.modules["user_hooks"].events == ["closed"]


def test_an_exception_in_a_constructor_names_the_hook_and_its_line(module: Path) -> None:
    with pytest.raises(HookError) as raised:
        opened("Broken")
    assert str(raised.value) == (
        "preprocess[0]: user_hooks:Broken raised OSError: no model file in its constructor"
        f" ({module}:18)"
    )


def test_an_exception_in_close_names_the_hook_and_sys_exit_is_an_error(module: Path) -> None:
    hook = opened("Leaves")
    expected = {
        ("at frame 7", 43): lambda: hook(FRAME),
        ("in its close()", 45): hook.close,
    }
    for (when, line), act in expected.items():
        with pytest.raises(HookError) as raised:
            act()
        assert str(raised.value) == (
            f"preprocess[0]: user_hooks:Leaves raised SystemExit: 3 {when} ({module}:{line})"
        )


@pytest.fixture
def handled() -> Iterator[None]:
    """A handler for SIGINT, as in a run: `KeyboardInterrupt` is not Ctrl-C."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handled")
@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("interrupted", "KeyboardInterrupt", "    raise KeyboardInterrupt"),
        ("odd", "Odd: <Odd without a text>", "    raise Odd"),
        ("forged", r"ValueError: no flowrun: INFO: all is well \x1b[2J",
         "    raise ValueError(\"no\\nflowrun: INFO: all is well \\x1b[2J\")"),
    ],
)  # fmt: skip
def test_any_exception_is_reported_as_an_error_of_the_hook(
    module: Path, name: str, text: str, line: str
) -> None:
    number = MODULE.replace("\\\\", "\\").splitlines().index(line.replace("\\\\", "\\")) + 1
    with pytest.raises(HookError) as raised:
        opened(name)(FRAME)
    assert raised.value.message == (
        f"user_hooks:{name} raised {text} at frame 7 ({module}:{number})"
    )


@pytest.mark.usefixtures("module", "handled")
def test_a_close_that_cannot_be_called_is_an_error_of_the_hook() -> None:
    expected = {
        "Unclosable": "TypeError: 'int' object is not callable in its close()",
        "Closed": "Odd: <Odd without a text> in its close() (",
    }
    for name, text in expected.items():
        with pytest.raises(HookError) as raised:
            opened(name).close()
        assert raised.value.message.startswith(f"user_hooks:{name} raised {text}")


@pytest.mark.usefixtures("module", "handled")
def test_a_constructor_that_raises_keyboard_interrupt_is_an_error_of_the_hook() -> None:
    with pytest.raises(HookError, match=r"raised KeyboardInterrupt in its constructor \("):
        opened("Interrupted")


@pytest.mark.usefixtures("module", "handled")
def test_objects_that_cannot_be_inspected_are_errors_of_the_flow() -> None:
    specs = [HookSpec("user_hooks:strange"), HookSpec("user_hooks:computed")]
    first, second = check_hooks(specs, "preprocess")
    assert str(first) == (
        "preprocess[0].hook: user_hooks:strange cannot be inspected: RuntimeError: no text"
    )
    assert str(second).startswith(
        "preprocess[1].hook: looking up 'computed' (in 'user_hooks:computed') raised Odd: <Odd"
        " without a text>\n  at "
    )


@pytest.mark.usefixtures("module")
def test_ctrl_c_in_a_hook_is_no_error_of_the_hook() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("only the main thread gets signals")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            opened("interrupted")(FRAME)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_call_that_has_not_returned_is_named_with_its_line(module: Path) -> None:
    module.write_text(
        "import threading\n"
        "entered, held = threading.Event(), threading.Event()\n"
        "def slow(frame):\n"
        "    entered.set()\n"
        "    held.wait()\n"
    )
    calls = CallsInProgress()
    (hook,) = open_hooks([HookSpec("user_hooks:slow")], "preprocess", calls)
    thread = threading.Thread(target=hook, args=(FRAME,))
    thread.start()
    slow = sys.modules["user_hooks"]
    assert slow.entered.wait(20)
    assert calls.unreturned() == [f"preprocess[0]: user_hooks:slow at frame 7 ({module}:5)"] or (
        calls.unreturned() == [f"preprocess[0]: user_hooks:slow at frame 7 ({module}:4)"]
    )
    slow.held.set()
    thread.join()
    assert calls.unreturned() == []


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "key", "with_", "text"),
    [
        ("number", "preprocess", {}, "user_hooks:number is int, expected a callable or a class"),
        (
            "brighter",
            "preprocess",
            {"bye": 1},
            "user_hooks:brighter has no option `bye`\n  did you mean `by`?",
        ),
        (
            "brighter",
            "postprocess",
            {"by": 1},
            "user_hooks:brighter(frame, by=1) cannot be called with (frame, result, by=…): multiple"
            " values for argument 'by'\n  it is a preprocess hook: move it to `preprocess`",
        ),
        (
            "raises",
            "postprocess",
            {},
            "user_hooks:raises(frame) cannot be called with (frame, result): too many positional"
            " arguments\n  it is a preprocess hook: move it to `preprocess`",
        ),
        (
            "needy",
            "preprocess",
            {"size": 3},
            "user_hooks:needy needs options `scale`, `fill`\n  options are written under `with`",
        ),
        (
            "Tracker",
            "postprocess",
            {"sizes": 3},
            "user_hooks:Tracker has no option `sizes`\n  did you mean `size`?",
        ),
        (
            "Tracker",
            "preprocess",
            {"size": 3},
            "__call__ of user_hooks:Tracker(self, frame, result) cannot be called with (self,"
            " frame):"
            " missing a required argument: 'result'\n"
            "  it is a postprocess hook: move it to `postprocess`",
        ),
        (
            "Mute",
            "preprocess",
            {},
            "user_hooks:Mute is a class whose instances cannot be called\n"
            "  add a `__call__` method",
        ),
    ],
)
def test_a_hook_that_cannot_be_called_is_reported_before_the_first_frame(
    name: str, key: str, with_: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        opened(name, key, **with_)
    assert str(raised.value).partition(": ")[2] == text


@pytest.mark.usefixtures("module")
def test_hooks_declare_the_outputs_that_they_read() -> None:
    def read(*hooks: str) -> tuple[str, ...] | None:
        specs = [HookSpec(hook) for hook in hooks]
        return HookOutputs(open_hooks(specs, "postprocess")).names

    assert read("user_hooks:scored") == ("scores",)
    assert read("user_hooks:scored", "user_hooks:Boxed") == ("scores", "boxes")
    assert read("user_hooks:scored", "user_hooks:both") is None
    assert read("flowrun.hooks.draw_boxes:draw_boxes") == ()


@pytest.mark.usefixtures("module")
def test_a_declaration_that_is_no_tuple_is_reported_and_the_hook_closed() -> None:
    with pytest.raises(InvalidFlowError) as caught:
        open_hooks([HookSpec("user_hooks:Misread")], "postprocess")
    assert str(caught.value) == (
        "postprocess[0].hook: reads_outputs of user_hooks:Misread is str, expected a tuple of the"
        " names of the outputs that it reads\n"
        '  such as `reads_outputs = ("boxes", "scores")`'
    )
    assert sys.modules["user_hooks"].events == ["closed"]


@pytest.mark.parametrize("name", sorted(file.stem for file in LIBRARY.glob("decode_*.py")))
def test_every_decoding_hook_declares_the_outputs_that_it_reads(name: str) -> None:
    with_ = {"output": "scores"} if name in ("decode_classes", "decode_mask") else {}
    hooks = open_hooks([HookSpec(f"flowrun.hooks.{name}:{name}", with_)], "postprocess")
    assert HookOutputs(hooks).names


@pytest.mark.usefixtures("module")
def test_a_check_finds_all_errors_and_constructs_nothing() -> None:
    specs = [HookSpec(f"user_hooks:{name}") for name in ("brighter", "Broken", "nothing", "number")]
    found = check_hooks(specs, "preprocess")
    assert [error.key for error in found] == ["preprocess[2].hook", "preprocess[3].hook"]


@pytest.mark.parametrize("name", sorted(file.stem for file in LIBRARY.glob("decode_*.py")))
def test_every_decoding_hook_accepts_an_empty_response(name: str) -> None:
    specs = [HookSpec(f"flowrun.hooks.{name}:{name}", {"threshold": 0.4})]
    (decode,) = open_hooks(specs, "postprocess")
    found = decode(FRAME, Result({}, responses=0)).data
    assert found in ({"detections": ()}, {"classes": ()})
