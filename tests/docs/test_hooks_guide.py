"""docs/hooks.md is correct: its flows are valid, its hooks match them, its tests pass."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from flowrun.errors import HookError
from flowrun.frame import Frame
from flowrun.hooks.loader import check_hooks, open_hooks
from flowrun.inference import Result
from flowrun.run import Run
from flowrun.spec.flow import Flow, HookSpec
from flowrun.spec.load import load_flow

GUIDE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
FLOWS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
CODE = "\n\n".join(re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL))
TESTS = re.findall(r"^def (test_\w+)", CODE, re.MULTILINE)


@pytest.fixture
def guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The Python blocks of the guide as the module `my_hooks` in the working directory."""
    (tmp_path / "my_hooks.py").write_text(CODE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("my_hooks")
    sys.modules.pop("my_hooks", None)


def flow_of(text: str, folder: Path) -> Flow:
    path = folder / "guide.yaml"
    path.write_text(text, encoding="utf-8")
    return load_flow(path, environ={})


def test_the_guide_has_flows_and_tests() -> None:
    assert (len(FLOWS), len(TESTS)) == (3, 3)


@pytest.mark.usefixtures("guide")
@pytest.mark.parametrize("text", FLOWS)
def test_every_flow_is_valid_and_its_arguments_match_its_hooks(text: str, tmp_path: Path) -> None:
    flow = flow_of(text, tmp_path)
    assert check_hooks(flow.preprocess, "preprocess") == []
    assert check_hooks(flow.postprocess, "postprocess") == []
    assert flow.preprocess or flow.postprocess


@pytest.mark.parametrize("name", TESTS)
def test_its_tests_pass(guide: Any, name: str) -> None:
    getattr(guide, name)()


@pytest.mark.usefixtures("guide")
def test_its_last_flow_runs_unchanged(tmp_path: Path) -> None:
    summary = Run(flow_of(FLOWS[-1], tmp_path)).run()
    assert (summary.delivered, summary.captured) == (100, 100)
    lines = (tmp_path / "people.jsonl").read_text().splitlines()
    assert all('"people": 1}' in line for line in lines)


@pytest.mark.usefixtures("guide")
@pytest.mark.parametrize(
    "name", ["inverted", "darker", "Tensors", "Left", "padded", "smaller", "preprocess"]
)
def test_its_preprocess_hooks_accept_a_frame(guide: Any, name: str) -> None:
    (hook,) = open_hooks([HookSpec(f"my_hooks:{name}")], "preprocess")
    made = hook(guide.frame(64, 48))
    if name == "Tensors":
        assert {key: value.shape for key, value in made.items()} == {
            "image": (1, 3, 48, 64), "image_size": (1, 2)
        }  # fmt: skip
    elif isinstance(made, Frame):
        box = (0, 0, made.seen.width, made.seen.height)
        assert made.seen.to_source(box) == {
            "Left": (0, 0, 32, 48), "padded": (0, -8, 64, 56)
        }.get(name, (0, 0, 64, 48))  # fmt: skip
        assert (made.seen.width, made.seen.height) == (made.width, made.height)
    else:
        assert made.shape == (48, 64, 3)


@pytest.mark.usefixtures("guide")
@pytest.mark.parametrize("name", ["only_sure", "decode", "count", "Smooth", "postprocess"])
def test_its_postprocess_hooks_accept_every_result(guide: Any, name: str, capsys: Any) -> None:
    (hook,) = open_hooks([HookSpec(f"my_hooks:{name}")], "postprocess")
    outputs = {"scores": [0.2, 0.9], "height": [3], "boxes": [[0, 0, 5, 5, 0.9]]}
    result = Result({key: np.array(value) for key, value in outputs.items()})
    made = [hook(guide.frame(), each) for each in (result, Result({}))]
    hook.close()
    if name == "only_sure":
        assert made[0].data == {"best": 1}
        assert made[1] is None
    elif name == "postprocess":
        assert [int((picture == 0).all(axis=(1, 2)).sum()) for picture in made] == [3, 0]
    else:
        assert all(frame.data for frame in made)
    assert (capsys.readouterr().out == "the last 2 frames had [0, 0]\n") == (name == "Smooth")


def test_its_error_message_is_the_one_of_a_hook_that_raises(guide: Any, tmp_path: Path) -> None:
    (hook,) = open_hooks([HookSpec("my_hooks:decode")], "postprocess")
    frame = replace(guide.frame(), index=12)
    with pytest.raises(HookError) as raised:
        hook(frame, Result({"boxes": np.zeros((1, 4))}))
    assert f"error: {raised.value}\n".replace(str(tmp_path), "/home/ann") in GUIDE
