"""A flow against its source, its hooks and the embedded server."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowrun.inspect import live_check as live
from flowrun.spec.flow import Flow, HookSpec, SourceSpec, TransportSpec
from flowrun.spec.flow import SinkSpec as Sink
from flowrun.spec.problems import Remark

LIMIT = 10.0  # seconds, a guard against hanging
BARE = Flow(
    name="f",
    source=SourceSpec("test:64x48@30"),
    transport=TransportSpec("stream", ("embedded",), "identity"),
    sinks=(Sink("null"),),
)

HOOKS = """\
import threading

released = threading.Event()
log = []


class Counted:
    def __init__(self):
        log.append("made")

    def __call__(self, frame):
        log.append(f"{frame.index} {frame.image.shape} {threading.current_thread().name}")
        return frame

    def close(self):
        log.append("closed")


def drops(frame):
    return None


def fails(frame):
    raise ValueError("no good")


def hangs(frame):
    released.wait(60)


def dates(frame):
    import numpy as np
    return np.zeros(3, "datetime64[s]")
"""


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of HOOKS."""
    (tmp_path / "checked_hooks.py").write_text(HOOKS)
    monkeypatch.syspath_prepend(tmp_path)
    import checked_hooks  # type: ignore[import-not-found]

    yield checked_hooks
    checked_hooks.released.set()
    del sys.modules["checked_hooks"]


def flow(*preprocess: str, postprocess: tuple[str, ...] = (), **keys: Any) -> Flow:
    named = [HookSpec(f"checked_hooks:{name}", on_error="drop") for name in preprocess]
    after = tuple(HookSpec(name) for name in postprocess)
    return replace(BARE, preprocess=tuple(named), postprocess=after, **keys)


def test_a_flow_that_fits_has_no_remarks() -> None:
    assert live.check(flow()) == []


def test_hooks_are_made_called_once_and_closed_on_a_thread_of_their_own(hooks: Any) -> None:
    assert live.check(flow("Counted")) == []
    made, called, closed = hooks.log
    assert (made, closed) == ("made", "closed")
    assert called.startswith("0 (48, 64, 3) ")
    assert threading.current_thread().name not in called


def test_the_server_is_checked_even_if_source_and_hooks_fail(hooks: Any) -> None:
    wrong = flow(
        "fails",
        postprocess=("no_such_module:draw",),
        source=SourceSpec("gone.mp4", size=(32, 24)),
        transport=replace(BARE.transport, output="boxes"),
    )
    source, blank_image, hook, after, output = live.check(wrong)
    assert (source.key, source.message) == ("source", "there is no file gone.mp4")
    assert blank_image == Remark(
        "source", "a blank image of 32x24 is used instead of the first frame", severity="note"
    )
    assert (hook.key, hook.message) == (
        "preprocess[0]",
        "checked_hooks:fails raised ValueError: no good at frame 0"
        f" ({hooks.__file__}:{HOOKS[: HOOKS.index('raise')].count(chr(10)) + 1})",
    )
    assert after.key == "postprocess[0].hook"
    assert output == Remark(
        "transport.output",
        "model 'identity' has no output 'boxes'",
        "write under `transport`:\n  output: output",
    )


def test_a_hook_that_drops_the_first_frame_is_a_note(hooks: Any) -> None:
    assert live.check(flow("drops")) == [
        Remark(
            "preprocess",
            "the hooks drop the first frame: types and shapes are not checked",
            severity="note",
        )
    ]


def test_hooks_that_hang_time_out(hooks: Any) -> None:
    wrong = flow("hangs", transport=replace(BARE.transport, input="date"))
    assert [remark[:3] for remark in live.check(wrong, hook_timeout=0.1)] == [
        (
            "preprocess",
            "the hooks did not return within 0.1 s",
            "a hook must not block",
        ),
        (
            "transport.input",
            "model 'identity' has no input 'date'",
            "write under `transport`:\n  input: image",
        ),
    ]


def test_a_tensor_that_cannot_be_sent_is_reported(hooks: Any) -> None:
    (remark,) = live.check(flow("dates"))
    assert remark.message.startswith(
        "checked_hooks:dates returned an array of datetime64[s], which the protocol does not"
        " support, at frame 0 ("
    )


def test_an_embedded_model_that_does_not_exist_is_reported() -> None:
    (remark,) = live.check(flow(transport=replace(BARE.transport, model="identiti")))
    assert (remark.key, remark.message) == (
        "transport.model",
        "there is no built-in model 'identiti'",
    )


def test_a_network_source_is_tried_once() -> None:
    source = SourceSpec("rtsp://127.0.0.1:1/x", startup="wait", open_timeout=LIMIT)
    refused, note = live.check(flow(source=source))
    assert refused.message.endswith("Connection refused")
    assert note.message == "a blank image of 640x480 is used instead of the first frame"


def test_a_source_that_sends_nothing_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}/street.mp4"
        late, _ = live.check(flow(source=SourceSpec(uri, open_timeout=0.2)))
    assert (late.message, late.hint) == (
        f"{uri} gave no frame for 0.2 s after 0 frames",
        "`source.open_timeout` sets how long to wait",
    )


def test_a_check_leaves_no_thread(hooks: Any) -> None:
    before = set(threading.enumerate())
    live.check(flow("Counted", "fails", source=SourceSpec("test", size=(32, 24))))
    for thread in set(threading.enumerate()) - before:
        thread.join(LIMIT)
    assert set(threading.enumerate()) <= before


def test_a_hook_that_cannot_read_the_outputs_of_the_model_is_found() -> None:
    (remark,) = live.check(flow(postprocess=("flowrun.hooks.decode_yolo:decode_yolo",)))
    assert remark == Remark(
        "postprocess[0]",
        "decode_yolo does not fit model 'identity': output 'output' is UINT8 [-1, -1, 3], expected"
        " FP16 or FP32",
        "it has 'output' UINT8 [-1, -1, 3]\nwrite under `postprocess`:\n  - picture",
    )
