"""The schema is the single source: it is compared with everything that repeats it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import typing
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from flowrun.spec import flow as flow_module
from flowrun.spec import schema as schema_module
from flowrun.spec.build import build
from flowrun.spec.flow import (
    BackpressureSpec,
    ExpectSpec,
    Flow,
    GoldenSpec,
    HookSpec,
    Limits,
    MetricsSpec,
    Reconnect,
    SinkSpec,
    SourceSpec,
    Tls,
    TracesSpec,
    TransportSpec,
)
from flowrun.spec.kinds import SINK_PATTERNS, SOURCE_PATTERNS, sink_kind, source_kind
from flowrun.spec.load import load_flow
from flowrun.spec.schema import Schema, inlined, schema, schema_text
from flowrun.spec.units import duration

CHECKOUT = Path(__file__).parents[2]
TOP = inlined()["properties"]
MAPPINGS: dict[type[Any], Schema] = {
    Flow: inlined(),
    SourceSpec: TOP["source"],
    HookSpec: TOP["preprocess"]["items"],
    TransportSpec: TOP["transport"],
    Tls: TOP["transport"]["properties"]["tls"],
    SinkSpec: TOP["sink"],
    Reconnect: TOP["source"]["properties"]["reconnect"],
    BackpressureSpec: TOP["backpressure"],
    Limits: TOP["limits"],
    ExpectSpec: TOP["expect"],
    GoldenSpec: TOP["golden"],
    MetricsSpec: TOP["metrics"],
    TracesSpec: TOP["traces"],
}
CASES = [
    pytest.param(of, field, MAPPINGS[of]["properties"], id=f"{of.__name__}.{field.name}")
    for of in MAPPINGS
    for field in fields(of)
    if (of, field.name) != (ExpectSpec, "checks")  # the keys of its patterns
    if field.name != "folders"  # of the files of the flow
]


def key_of(field: str) -> str:
    return {"with_": "with", "sinks": "sink"}.get(field, field)


def keys(part: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    for key, value in part.get("properties", {}).items():
        yield f"{path}.{key}", value
        yield from keys(value, f"{path}.{key}")
    if "items" in part:
        yield from keys(part["items"], f"{path}[]")


def test_the_schema_is_valid_json_schema() -> None:
    Draft202012Validator.check_schema(schema())
    Draft202012Validator.check_schema(inlined())


def test_every_pattern_of_the_schema_is_anchored_at_its_start() -> None:
    patterns = re.findall(r'"pattern": "(.)', schema_text())
    assert len(patterns) > 20
    assert set(patterns) == {"^"}


@pytest.mark.parametrize(("path", "part"), list(keys(inlined())), ids=lambda value: str(value)[:40])
def test_every_key_has_a_description_for_editors(path: str, part: Schema) -> None:
    assert part["title"]
    assert part["description"].rstrip(")").endswith((".", "null"))


@pytest.mark.parametrize("of", MAPPINGS, ids=lambda of: of.__name__)
def test_every_key_is_a_field_and_every_field_a_key(of: type[Any]) -> None:
    assert [key_of(field.name) for field in fields(of)] != []
    known = set(MAPPINGS[of]["properties"])
    if of is Flow:
        known.remove("extends")  # which is resolved before
    declared = {key_of(field.name) for field in fields(of)} - {"folders"}
    if of is ExpectSpec:
        declared.remove("checks")  # the keys of its patterns
    assert declared == known


def test_every_dataclass_of_the_flow_is_compared() -> None:
    declared = {each for each in vars(flow_module).values() if is_dataclass(each)}
    assert declared == set(MAPPINGS)


@pytest.mark.parametrize(("of", "field", "properties"), CASES)
def test_defaults_in_code_and_schema_agree(of: type[Any], field: Any, properties: Schema) -> None:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    part = properties[key_of(field.name)]
    if default is MISSING:
        assert "default" not in part
        mapping = MAPPINGS[of]
        needed = mapping.get("required", mapping.get("then", {}).get("required", ()))
        required = key_of(field.name) in needed
        assert required or (of, field.name) == (Flow, "name")  # the default is the file's stem
        return
    assert key_of(field.name) not in MAPPINGS[of].get("required", ())
    found = part["default"]
    if is_dataclass(default):
        assert found == {}
    elif default == ():
        assert found == []
    elif isinstance(default, float):
        assert duration(found) == default
    else:
        assert found == default


@pytest.mark.parametrize(("of", "field", "properties"), CASES)
def test_the_closed_sets_in_code_and_schema_agree(
    of: type[Any], field: Any, properties: Schema
) -> None:
    hint = typing.get_type_hints(of)[field.name]
    choices = (hint, *typing.get_args(hint))
    literals = [each for each in choices if typing.get_origin(each) is typing.Literal]
    values = {value for literal in literals for value in typing.get_args(literal)}
    part = properties[key_of(field.name)]
    if values == {1}:
        assert part["const"] == 1
    else:
        word = re.fullmatch(r"\^(\w+)\$", part.get("pattern", ""))
        assert values == ({word[1]} if word else set(part.get("enum", ())) - {None})


@pytest.mark.parametrize("word", ["source", "sink"])
def test_the_kinds_in_code_and_schema_agree(word: str) -> None:
    in_code = set(SOURCE_PATTERNS) | {"file"} if word == "source" else set(SINK_PATTERNS)
    in_schema = {
        name.partition("_")[2] for name in schema()["$defs"] if name.startswith(f"{word}_")
    }
    assert in_schema - {"uri", "long"} == in_code


EXAMPLES = """
camera:0 camera:/dev/video0 0 RTSP://h/p rtsps://h http://h HTTPS://h test test:1x2 test:1x2@29.97
test.mp4 cameras.mp4 rtsp.mp4 null screen web web:127.0.0.1:8080 web:x.mp4 rtsp://h/x.jsonl a.JSONL
a.mp4 B.MKV c.avi d.MoV e.webm f.Ts /a/ü.mp4 null.mp4 1.mp4 a.txt
"""
URIS = st.one_of(
    st.sampled_from(EXAMPLES.split()),
    st.from_regex(r"[a-z0-9:/.@x]{1,12}(\.mp4|\.jsonl)?", fullmatch=True),
)


def kinds_by_schema(word: str, uri: str) -> list[str]:
    branches = {
        name.partition("_")[2]: part
        for name, part in schema()["$defs"].items()
        if name.startswith(f"{word}_") and "title" in part
    }
    defs = {"$defs": schema()["$defs"]}
    return [
        kind for kind, part in branches.items() if Draft202012Validator(defs | part).is_valid(uri)
    ]


@given(URIS)
def test_code_and_schema_distinguish_the_same_kinds_of_sources(uri: str) -> None:
    assert kinds_by_schema("source", uri) == [source_kind(uri)]


@given(URIS)
def test_code_and_schema_distinguish_the_same_kinds_of_sinks(uri: str) -> None:
    try:
        expected = [sink_kind(uri)]
    except ValueError:
        expected = []
    allowed = Draft202012Validator(schema()["$defs"]["sink_uri"]).is_valid(uri)
    assert kinds_by_schema("sink", uri) == expected
    assert allowed == bool(expected)


def test_a_flow_with_every_default_written_out_is_the_flow_without_them(
    tmp_path: Path, base: str
) -> None:
    def written(part: Schema) -> dict[str, Any]:
        return {
            key: each["default"] for key, each in part["properties"].items() if "default" in each
        }

    address = {"mode": "unary", "address": "localhost:9000", "model": "m"}
    reconnect = {"reconnect": written(TOP["source"]["properties"]["reconnect"])}
    long: dict[str, Any] = {
        **written(inlined()),
        "source": {"uri": "test", **written(TOP["source"]), **reconnect},
        "transport": {**address, **written(TOP["transport"])},
        "sink": {"uri": None, **written(TOP["sink"]), **reconnect},
        "backpressure": written(TOP["backpressure"]),
        "limits": written(TOP["limits"]),
    }
    path = tmp_path / "flow.yaml"
    path.write_text(base, encoding="utf-8")
    assert build(long, name="flow") == load_flow(path)
    path.write_text(json.dumps(long), encoding="utf-8")
    assert build(long, name="flow") == load_flow(path)


def test_the_schema_is_found_beside_the_package_in_a_checkout() -> None:
    file = CHECKOUT / "schemas" / "flow.schema.json"
    assert schema_text() == file.read_text(encoding="utf-8")


def test_an_installed_schema_is_found_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flow.schema.json").write_text("{}", encoding="utf-8")
    monkeypatch.setattr(schema_module, "_FOLDERS", (tmp_path, *schema_module._FOLDERS))
    schema_text.cache_clear()
    try:
        assert schema_text() == "{}"
    finally:
        schema_text.cache_clear()


@pytest.mark.parametrize("path", sorted((CHECKOUT / "flows").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_flow_of_the_project_is_valid_and_names_its_schema_for_editors(path: Path) -> None:
    flow = load_flow(path, environ={})
    assert flow.name.replace("-", "_") == path.stem
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schemas/flow.schema.json"


def test_loading_imports_neither_numpy_nor_grpc_and_jsonschema_only_to_validate() -> None:
    code = (
        "import sys, flowrun.spec.validate_files, flowrun.spec.render, flowrun.spec.load as l\n"
        "print([m for m in ('numpy', 'grpc', 'reactivex', 'jsonschema') if m in sys.modules])\n"
        f"l.load_flow({str(CHECKOUT / 'flows' / 'quickstart.yaml')!r})\n"
        "print([m for m in ('numpy', 'grpc', 'reactivex', 'jsonschema') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n['jsonschema']\n"


def test_the_message_about_an_unknown_sink_lists_every_kind() -> None:
    assert schema()["$defs"]["sink_uri"]["errorMessage"] == (
        "expected `screen`, `web` or `web:HOST:PORT`, `null`, a URL (`rtsp://`, `rtmp://`,"
        " `srt://`, `udp://`), a path that ends in .mp4, .mkv, .avi, .mov, .webm, .ts or .m3u8, or"
        " for lines of JSON a path that ends in .jsonl, `-`, `mqtt://HOST/TOPIC` or `http(s)://…`"
    )
