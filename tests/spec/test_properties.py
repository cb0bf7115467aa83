"""Properties that hold for any file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from flowrun.spec import units
from flowrun.spec.flow import Flow
from flowrun.spec.load import MAX_PROBLEMS, load_flow
from flowrun.spec.problems import FlowError, Problem
from flowrun.spec.schema import Schema, inlined

SETTINGS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=3 * settings().max_examples // 2,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "flow.yaml"


def read(file: Path, data: bytes, overrides: tuple[str, ...] = ()) -> Flow | tuple[Problem, ...]:
    file.write_bytes(data)
    try:
        return load_flow(file, overrides=overrides, environ={"A": "1"})
    except FlowError as error:
        return error.problems


# Pieces of which hostile and nearly valid files are made.
PIECES = """
source transport sink mode address model limits frames preprocess hook with uri null true test unary
localhost:9000 a:b 1 -1 1e9 .inf ~ on & * &a *a << ! !!str | > - ? : # { } [ ] , ' " ${A} ${B} ${A:-
$${ % @ ` --- ... %YAML \\ \u00e9 \u6f22 \ufeff \x01 rtsp://u:p@h headers
"""
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(PIECES.split()), st.sampled_from([": ", "\n", "\n  ", "\t", " ", ", "])
    ),
    max_size=60,
).map("".join)


@SETTINGS
@given(st.one_of(st.binary(max_size=300), TEXTS.map(str.encode)), st.lists(TEXTS, max_size=2))
def test_any_bytes_are_a_flow_or_have_problems_with_locations(
    file: Path, data: bytes, overrides: list[str]
) -> None:
    found = read(file, data, tuple(overrides))
    if isinstance(found, Flow):
        return
    assert 1 <= len(found) <= MAX_PROBLEMS + 1
    for problem in found:
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.message
        assert str(problem).startswith(f"{problem.path}:{problem.line}:{problem.column}: error: ")
        assert bool(problem.text) == problem.caret.endswith("^")


def short_or_long(name: str, value: st.SearchStrategy[Any], **more: Any) -> st.SearchStrategy[Any]:
    return value | st.fixed_dictionaries({name: value}, optional=more)


NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20
)
WORDS = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
DURATIONS = st.one_of(
    st.from_regex(r"[1-9][0-9]{0,2}(\.[0-9]{1,3})?(ms|s|m|h)", fullmatch=True),
    st.integers(1, 3_600_000),
    st.floats(0.001, 3_600_000),
)
HOOKS = st.lists(
    short_or_long(
        "hook",
        st.tuples(WORDS, WORDS, WORDS).map(lambda parts: "{}.{}:{}".format(*parts)),
        **{
            "with": st.dictionaries(WORDS, st.integers() | st.booleans() | NAMES, max_size=3),
            "on_error": st.sampled_from(["fail", "drop", "passthrough"]),
        },
    ),
    max_size=3,
)
SIZES = st.tuples(st.integers(1, 9999), st.integers(1, 9999)).map(lambda wh: "{}x{}".format(*wh))
FLOWS = st.fixed_dictionaries(
    {
        "source": short_or_long(
            "uri",
            st.sampled_from(["test", "in.mp4", "rtsp://h/x", 0, "camera:1"]),
            size=SIZES,
            fps=st.floats(0.1, 1000) | st.integers(1, 1000),
            color=st.sampled_from(["rgb", "bgr"]),
            open_timeout=DURATIONS,
        ),
        "transport": st.fixed_dictionaries(
            {
                "mode": st.just("unary"),
                "address": st.sampled_from(["h:1", ["h:1", "[::1]:2"], "embedded"]),
                "model": NAMES,
            },
            optional={
                "version": st.integers(0, 99) | NAMES,
                "batch": st.booleans(),
                "in_flight": st.integers(1, 256) | st.just("auto"),
                "timeout": DURATIONS,
                "headers": st.dictionaries(st.sampled_from(["a", "x-b"]), WORDS),
            },
        ),
        "sink": st.sampled_from([None, "null", "a.mp4", ["screen", None, {"uri": "b.mkv"}]]),
    },
    optional={
        "name": NAMES,
        "preprocess": HOOKS,
        "postprocess": HOOKS,
        "limits": st.fixed_dictionaries(
            {}, optional={"frames": st.integers(1), "duration": DURATIONS | st.none()}
        ),
        "backpressure": short_or_long(
            "policy", st.sampled_from(["latest", "every_frame"]), buffer=st.integers(1, 1024)
        ),
    },
)


@SETTINGS
@given(FLOWS)
def test_a_flow_that_is_written_is_loaded_unchanged(file: Path, data: dict[str, Any]) -> None:
    escaped = json.loads(json.dumps(data).replace("${", "$${"))
    flow = read(file, json.dumps(escaped, ensure_ascii=False).encode())
    assert isinstance(flow, Flow), flow
    source = data["source"] if isinstance(data["source"], dict) else {"uri": data["source"]}
    uri = source["uri"]
    assert flow.source.uri == (f"camera:{uri}" if isinstance(uri, int) else uri)
    assert flow.source.fps == source.get("fps")
    assert flow.source.open_timeout == units.duration(source.get("open_timeout", 10))
    assert flow.source.size == (units.size(source["size"]) if "size" in source else None)
    sent = data["transport"]
    addresses = sent["address"] if isinstance(sent["address"], list) else [sent["address"]]
    assert flow.transport.address == tuple(addresses)
    assert flow.transport.model == sent["model"]
    assert flow.transport.version == (str(sent["version"]) if "version" in sent else None)
    assert flow.transport.timeout == units.duration(sent.get("timeout", 10))
    assert flow.transport.headers == sent.get("headers", {})
    assert flow.transport.in_flight == sent.get("in_flight", 4)
    for key, hooks in (("preprocess", flow.preprocess), ("postprocess", flow.postprocess)):
        written = [h if isinstance(h, dict) else {"hook": h} for h in data.get(key, [])]
        assert [(h.hook, h.with_, h.on_error) for h in hooks] == [
            (h["hook"], h.get("with", {}), h.get("on_error", "fail")) for h in written
        ]
    assert flow.name == data.get("name", "flow")
    assert flow.limits.frames == data.get("limits", {}).get("frames")
    assert len(flow.sinks) == (3 if isinstance(data["sink"], list) else 1)


def known_keys(part: Schema, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in part["properties"].items():
        found.append((*above, key))
        if "properties" in value and value.get("type") == "object":
            found += known_keys(value, (*above, key))
    return found


@SETTINGS
@given(st.sampled_from(known_keys(inlined())), st.data())
def test_a_misspelt_key_is_reported_at_its_line(
    file: Path, path: tuple[str, ...], data: st.DataObject
) -> None:
    *above, key = path
    at = data.draw(st.integers(0, len(key)))
    wrong = key[:at] + data.draw(st.sampled_from("xyz_")) + key[at:]
    part = inlined()
    for name in above:
        part = part["properties"][name]
    assume(wrong not in part["properties"])
    lines = ["# a comment", *("  " * depth + f"{name}:" for depth, name in enumerate(above))]
    lines.append("  " * len(above) + f"{wrong}: 1")
    found = read(file, "\n".join(lines).encode())
    assert isinstance(found, tuple)
    (problem,) = [each for each in found if each.message.startswith("unknown key")]
    assert (problem.line, problem.column) == (len(lines), 2 * len(above) + 1)
    assert problem.key == ".".join([*above, wrong])
    if len(key) > 2:
        assert problem.hint.startswith(("did you mean `", f"`{wrong}` belongs"))
