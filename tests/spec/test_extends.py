"""Flows that extend other files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.cli import main
from flowrun.inspect.explain import explain
from flowrun.spec.extends import MAX_BASES, merge
from flowrun.spec.load import load, load_flow
from flowrun.spec.nodes import START, Node, plain_value
from flowrun.spec.problems import FlowError
from flowrun.spec.validate_files import validate_files

BASE = """\
transport: {mode: unary, address: embedded, model: identity, timeout: 7s}
postprocess: [draw_clock]
limits: {frames: 5}
"""
FLOW = """\
version: 1
extends: ../base.yaml
source: test:160x120@10
transport: {model: edges}
postprocess: []
sink: null
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    (tmp_path / "cams").mkdir()
    (tmp_path / "base.yaml").write_text(BASE)
    path = tmp_path / "cams/gate.yaml"
    path.write_text(FLOW)
    return path


def problems(path: Path, **options: Any) -> list[str]:
    with pytest.raises(FlowError) as raised:
        load_flow(path, environ={}, **options)
    return [str(each).split("\n")[0] for each in raised.value.problems]


def test_mappings_are_merged_and_lists_and_values_replaced(flow: Path) -> None:
    made = load_flow(flow, environ={})
    assert made.name == "gate"
    assert made.transport.model == "edges"
    assert made.transport.timeout == 7.0
    assert made.postprocess == ()
    assert made.limits.frames == 5


def test_a_base_may_extend_a_further_one_relative_to_itself(flow: Path, tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common/first.yaml").write_text("limits: {frames: 9, duration: 3s}\n")
    (tmp_path / "base.yaml").write_text(f"extends: common/first.yaml\n{BASE}")
    made = load_flow(flow, environ={})
    assert (made.limits.frames, made.limits.duration) == (5, 3.0)


def test_the_path_may_have_variables(flow: Path) -> None:
    flow.write_text(FLOW.replace("../base.yaml", "../${BASE}.yaml"))
    assert load_flow(flow, environ={"BASE": "base"}).transport.timeout == 7.0
    (problem,) = problems(flow)
    assert problem.startswith(f"{flow}:2:13: error: the environment variable `BASE` is not set")


def test_an_error_points_into_the_file_where_the_value_stands(flow: Path, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE.replace("7s", "soon").replace("frames: 5", "frame: 5"))
    base = flow.parent / "../base.yaml"
    first, second = problems(flow)
    assert first.startswith(f"{base}:1:71: error: `transport.timeout` is 'soon'")
    assert second.startswith(f"{base}:3:10: error: unknown key `limits.frame`")


def test_an_error_of_the_model_points_there_too(flow: Path) -> None:
    loaded = load(flow, environ={})
    from flowrun.spec.problems import Remark

    problem = loaded.problem(Remark("transport.timeout", "too short"))
    assert (problem.path, problem.line) == (str(flow.parent / "../base.yaml"), 1)
    assert "timeout: 7s" in problem.text


def test_a_text_that_is_no_yaml_is_reported_where_it_stands(flow: Path, tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("transport: {mode: unary\n")
    assert any(each.startswith(f"{flow.parent / '../base.yaml'}:") for each in problems(flow))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../bse.yaml", "bse.yaml: there is no such file"),
        ("gate.yaml", "the files extend each other: "),
        ("../back.yaml", "the files extend each other: "),
        ("../list.yaml", "list.yaml is not a mapping"),
        ("''", "`extends` is ''"),
        ("[base.yaml]", "`extends` is a list"),
    ],
)
def test_what_cannot_be_extended_is_an_error_at_the_key(
    flow: Path, tmp_path: Path, name: str, message: str
) -> None:
    (tmp_path / "back.yaml").write_text("extends: cams/gate.yaml\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    flow.write_text(FLOW.replace("../base.yaml", name))
    found = next(each for each in problems(flow) if message in each)
    assert ": error: " in found
    assert "extends" in found


def test_a_chain_that_is_too_long_is_an_error(flow: Path, tmp_path: Path) -> None:
    for number in range(MAX_BASES + 2):
        (tmp_path / f"base{number}.yaml").write_text(f"extends: base{number + 1}.yaml\n")
    flow.write_text(FLOW.replace("../base.yaml", "../base0.yaml"))
    assert any(f"more than {MAX_BASES} files" in each for each in problems(flow))


def test_without_a_value_nothing_is_extended(flow: Path) -> None:
    flow.write_text(FLOW.replace("../base.yaml", "null"))
    assert problems(flow)[0].endswith("`transport.mode` is missing")


def test_an_override_comes_after_the_files_and_does_not_choose_them(flow: Path) -> None:
    assert load_flow(flow, overrides=["transport.timeout=9s"], environ={}).transport.timeout == 9.0
    (problem,) = problems(flow, overrides=["extends=other.yaml"])
    assert "--set:1:1: error: `extends` cannot be set" in problem


def test_explain_says_from_which_file_a_value_comes(
    flow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = {each.key: each for each in explain(load(flow, environ={}))}
    assert values["transport.model"].origin() == f"{flow}:4"
    assert values["transport.timeout"].origin() == f"{flow.parent / '../base.yaml'}:1"
    assert values["extends"].value == "../base.yaml"
    assert main(["explain", str(flow), "--format", "json"]) == 0
    listed = {each["key"]: each for each in json.loads(capsys.readouterr().out)["values"]}
    assert listed["limits.frames"]["file"].endswith("base.yaml")


def test_a_file_that_is_only_extended_is_no_flow_of_a_directory(flow: Path, tmp_path: Path) -> None:
    checked = validate_files([str(tmp_path)], environ={})
    assert checked.files == [flow]
    assert checked.problems == []
    assert checked.skipped == 1


def test_a_flow_that_only_a_test_extends_is_one(flow: Path, tmp_path: Path) -> None:
    test = flow.with_name("door.test.yaml")
    test.write_text(f"extends: {flow.name}\nlimits: {{frames: 3}}\n")
    assert set(validate_files([str(tmp_path)], environ={}).files) == {flow, test}


def test_an_error_in_a_file_that_two_flows_extend_is_reported_once(
    flow: Path, tmp_path: Path
) -> None:
    shutil.copy(flow, flow.with_name("second.yaml"))
    (flow.parent / "../base.yaml").write_text("limts: {}\n")
    checked = validate_files([str(tmp_path)], environ={})
    assert sum("limts" in problem.message for problem in checked.problems) == 1


trees = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=12
)


def node(value: Any) -> Node:
    values = {k: node(v) for k, v in value.items()} if isinstance(value, dict) else value
    return Node(values, START)


@given(trees, trees)
def test_every_leaf_of_the_flow_is_kept_and_of_the_base_what_is_beside_them(
    base: Any, own: Any
) -> None:
    def expected(one: Any, other: Any) -> Any:
        if not isinstance(one, dict) or not isinstance(other, dict):
            return other
        keys = {**one, **other}
        return {
            key: expected(one[key], other[key]) if key in one and key in other else keys[key]
            for key in keys
        }

    before = plain_value(node(base))
    first = node(base)
    assert plain_value(merge(first, node(own))) == expected(base, own)
    assert plain_value(first) == before
