"""`flowrun explain`: every value and where it comes from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.cli import main
from flowrun.inspect.explain import Value, explain, table
from flowrun.spec.build import build
from flowrun.spec.flow_text import Flag
from flowrun.spec.load import load
from flowrun.spec.nodes import UsedVariable
from flowrun.spec.problems import FlowError
from flowrun.spec.schema import Schema, inlined
from flowrun.spec.user_info import is_broken

FLOWS = sorted((Path(__file__).parents[2] / "flows").glob("*.yaml"))
FLOW = """\
source: ${CAMERA:-test}
preprocess:
  - hook: my_hooks:tag
    with: {token: hush, "box": {x: 1, y: [2, 3]}, none: {}, text: ""}
transport:
  mode: ${MODE}
  address: localhost:9000
  model: tracker
  headers: {authorization: "Bearer ${TOKEN}"}
sink: [null, {uri: 'rtsp://ann:hunter2@h/1', quality: 20}]
"""
ENVIRONMENT = {"MODE": "stream", "TOKEN": "abc"}


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CAMERA", raising=False)
    Path("flow.yaml").write_text(FLOW, encoding="utf-8")
    return "flow.yaml"


def explained(path: str | Path, *overrides: str | Flag, **environ: str) -> dict[str, Value]:
    loaded = load(path, overrides=overrides, environ=environ or ENVIRONMENT)
    return {value.key: value for value in explain(loaded)}


def keys(part: Schema, path: str = "") -> Iterator[str]:
    """Every key of the schema that stands for a value: lists as if they had one item, mappings
    that may be null as if they were."""
    if "properties" in part.get("items", {}):
        yield from keys(part["items"], f"{path}[0]")
    elif "properties" in part and part.get("default", {}) is not None:
        for key, child in part["properties"].items():
            yield from keys(child, f"{path}.{key}" if path else key)
    else:
        yield path


def test_every_key_of_the_schema_is_explained_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(
        "source: test\npreprocess: [a:b]\ntransport: {mode: unary, address: 'h:1', model: m}\n"
        "postprocess: [a:b]\nsink: [null]\n"
    )
    assert list(explained(path)) == list(keys(inlined()))


def test_a_value_comes_from_a_line_a_variable_a_flag_or_the_default(
    flow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--limit_frames",
        "5",
        "--set",
        "source.fps=${FPS:-25}",
        "--set",
        "backpressure=latest",
    ]
    assert main(["explain", flow, *words]) == 0
    rows = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    chosen = [row for row in rows if row[-1] != "default"]
    assert chosen == [
        ["source.uri", "test", "flow.yaml:1, ${CAMERA} is not set"],
        ["source.fps", "25", "--set, ${FPS} is not set"],
        ["preprocess[0].hook", "my_hooks:tag", "flow.yaml:3"],
        ["preprocess[0].with.token", "***", "flow.yaml:4"],
        ["preprocess[0].with.box.x", "1", "flow.yaml:4"],
        ["preprocess[0].with.box.y[0]", "2", "flow.yaml:4"],
        ["preprocess[0].with.box.y[1]", "3", "flow.yaml:4"],
        ["preprocess[0].with.none", "{}", "flow.yaml:4"],
        ["preprocess[0].with.text", '""', "flow.yaml:4"],
        ["transport.mode", "stream", "flow.yaml:6, ${MODE} is set"],
        ["transport.address", "localhost:9000", "flow.yaml:7"],
        ["transport.model", "tracker", "flow.yaml:8"],
        ["transport.headers.authorization", "***", "flow.yaml:9, ${TOKEN} is set"],
        ["sink[0].uri", "null", "flow.yaml:10"],
        ["sink[1].uri", "rtsp://***@h/1", "flow.yaml:10"],
        ["sink[1].quality", "20", "flow.yaml:10"],
        ["backpressure.policy", "latest", "--set"],
        ["limits.frames", "5", "--limit_frames"],
    ]
    assert ["name", "flow", "default"] in rows
    assert ["transport.on_outage", "auto (hold, as the source is not live)", "default"] in rows
    assert ["source.pace", "auto (realtime)", "default"] in rows


def test_the_columns_are_aligned(flow: str) -> None:
    at = Value("long.key", "x", line=3, file=flow)
    assert table([Value("a", 1), at, Value("b", "auto", means="2")]) == (
        "a         1         default\nlong.key  x         flow.yaml:3\nb         auto (2)  default"
    )


def test_the_same_is_printed_as_json(flow: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", flow, "--format", "json", "--limit-frames", "5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["flow"], found["path"]) == ("flow", "flow.yaml")
    by_key = {each.pop("key"): each for each in found["values"]}
    nothing: dict[str, Any] = {
        "line": None, "flag": None, "variables": {}, "means": None, "file": None
    }  # fmt: skip
    assert by_key["source.uri"] == {
        **nothing, "value": "test", "line": 1, "variables": {"CAMERA": False}, "file": "flow.yaml"
    }  # fmt: skip
    assert by_key["limits.frames"] == {**nothing, "value": 5, "flag": "--limit-frames"}
    assert by_key["transport.tls"] == {**nothing, "value": None}


def test_an_invalid_flow_is_rejected_as_everywhere(
    flow: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", flow, "--set", "limits.frames=x"]) == 78
    assert "--set:1:15: error: `limits.frames` is 'x'" in capsys.readouterr().err


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_the_values_are_those_of_the_flow(path: Path) -> None:
    loaded = load(path, environ={})
    data: dict[Any, Any] = {}
    for value in explain(loaded):
        steps = [int(n) if n else key for n, key in STEP.findall(value.key)]
        inside: Any = data
        for step in steps[:-1]:
            inside = inside.setdefault(step, {})
        inside[steps[-1]] = value.value
    assert build(listed(data), name="") == loaded.flow


STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def listed(value: Any) -> Any:
    """Mappings from numbers back as the lists that they were."""
    if not isinstance(value, dict):
        return value
    inside = {key: listed(each) for key, each in value.items()}
    return list(inside.values()) if inside and isinstance(min(inside), int) else inside


def test_the_variables_of_a_value_are_listed_in_order(flow: str) -> None:
    found = explained(flow, "name=${A}-${B:-${C:-x}}", A="1", MODE="unary", TOKEN="t")
    assert found["name"].value == "1-x"
    assert found["name"].variables == (
        UsedVariable("A", found=True),
        UsedVariable("B", found=False),
        UsedVariable("C", found=False),
    )


SECRETS = st.text("abcXYZ0189/ @", min_size=6).map(lambda text: f"s3{text}3s")


@given(SECRETS, SECRETS)
def test_no_secret_is_ever_explained(tmp_path_factory: Any, uri: str, header: str) -> None:
    path = tmp_path_factory.mktemp("explain") / "flow.yaml"
    path.write_text(FLOW, encoding="utf-8")
    environ = {"MODE": "stream", "TOKEN": header, "CAMERA": f"rtsp://u:{uri}@h", "X": header}
    repeated = ["transport.parameters.note=Bearer ${X}", "preprocess.0.with.api_key=${X}"]
    if is_broken(environ["CAMERA"]):
        with pytest.raises(FlowError, match="not percent-encoded") as raised:
            load(path, overrides=repeated, environ=environ)
        output = str(raised.value)
    else:
        values = explain(load(path, overrides=repeated, environ=environ))
        output = table(values) + json.dumps([value.to_json() for value in values])
    assert uri not in output
    assert header not in output
    assert "hush" not in output
