from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.spec.interpolate import InterpolationError, expand
from flowrun.spec.nodes import UsedVariable
from flowrun.spec.schema import schema

HINT = "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`, and `$${` for a literal `${`"

EXPECTED_SINKS = schema()["$defs"]["sink_uri"]["errorMessage"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "1"),
        ("x${A}y${A}", "x1y1"),
        ("${EMPTY}", ""),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${A:-d}", "1"),
        ("${NONE:-}", ""),
        ("${NONE:-a:-b?c d}", "a:-b?c d"),
        ("${NONE:-${A}}", "1"),
        ("${A:-${NONE}}", "1"),
        ("${NONE:-x${NONE:-y}z}", "xyz"),
        ("${A:?never said}", "1"),
        ("$${A}", "${A}"),
        ("$${A}${A}", "${A}1"),
        ("$$${A}", "$${A}"),
        ("$A $$ $ } {", "$A $$ $ } {"),
    ],
)
def test_variables_are_replaced(text: str, value: str) -> None:
    assert expand(text, {"A": "1", "EMPTY": ""})[0] == value


SAFE = st.text(st.characters(exclude_characters="${}"), max_size=20)


@given(SAFE, st.text(max_size=20), SAFE)
def test_a_value_is_not_interpolated_again(left: str, value: str, right: str) -> None:
    assert expand(f"{left}${{X}}{right}", {"X": value}) == (
        left + value + right,
        (UsedVariable("X", found=True),),
    )
    assert expand(f"{left}${{Y:-{right}}}", {"X": value}) == (
        left + right,
        (UsedVariable("Y", found=False),),
    )


@given(st.text(max_size=30))
def test_a_text_escaped_by_a_dollar_is_unchanged(text: str) -> None:
    if not text.endswith("$"):
        text = text.replace("$$", "$")
        assert expand(text.replace("${", "$${"), {}) == (text, ())


@given(st.text(st.sampled_from("${}:-?A"), max_size=30))
def test_any_text_is_expanded_or_rejected(text: str) -> None:
    try:
        value, variables = expand(text, {"A": "x"})
    except InterpolationError:
        return
    assert len(value) < len(text) or not variables


def test_an_unset_variable_is_reported_at_its_location(complain: Any, base: str) -> None:
    assert complain(f"{base}name: a-${{B}}-${{C:-${{D:?say which D}}}}\n", environ={"B": "x"}) == [
        "flow.yaml:4:19: error: the environment variable `D` is not set: say which D\n"
        "    name: a-${B}-${C:-${D:?say which D}}\n"
        "                      ^"
    ]
    assert complain(f"{base}limits: {{frames: '${{N}}'}}\n") == [
        "flow.yaml:4:19: error: the environment variable `N` is not set\n"
        "    limits: {frames: '${N}'}\n"
        "                      ^\n"
        "    set it, read it with `--env-file`, or give it a default: `${N:-…}`"
    ]


@pytest.mark.parametrize("wrong", ["${}", "${1A}", "${A-b}", "${A:+b}", "${A", "${ A }"])
def test_a_malformed_variable_is_rejected(complain: Any, base: str, wrong: str) -> None:
    assert complain(f"{base}name: x{wrong}\n", environ={"A": "1"}) == [
        f"flow.yaml:4:8: error: this `${{` does not start a variable\n"
        f"    name: x{wrong}\n"
        f"           ^\n"
        f"    {HINT}"
    ]


def test_an_unclosed_default_is_rejected(complain: Any, base: str) -> None:
    assert complain(f"{base}name: ${{A:-b\n") == [
        f"flow.yaml:4:7: error: a `${{` is not closed\n    name: ${{A:-b\n          ^\n    {HINT}"
    ]


def test_the_length_of_a_result_is_bounded(complain: Any, base: str) -> None:
    (problem,) = complain(f"{base}name: ${{A}}${{A}}\n", environ={"A": "x" * 40_000})
    assert problem == (
        "flow.yaml:4:7: error: the result is longer than 65,536 characters\n"
        "    name: ${A}${A}\n"
        "          ^"
    )


def test_the_schema_decides_the_type_of_a_variable(load: Any, base: str) -> None:
    text = base.replace("unary", "'${MODE}'") + (
        "name: ${N}\n"
        "limits: {frames: '${N}', duration: '${N}'}\n"
        "backpressure: {buffer: '${N:-4}'}\n"
        "preprocess: [{hook: 'a:b', with: {x: '${N}'}}]\n"
        "postprocess:\n- hook: a:b\n  with:\n    plain: ${N}\n    quoted: '${N}'\n    flag: ${F}\n"
    )
    flow = load(text, environ={"N": "7", "MODE": "unary", "F": "false"})
    assert flow.name == "7"
    assert (flow.limits.frames, flow.limits.duration, flow.backpressure.buffer) == (7, 7.0, 7)
    assert flow.preprocess[0].with_ == {"x": "7"}
    assert flow.postprocess[0].with_ == {"plain": 7, "quoted": "7", "flag": False}


def test_a_variable_may_be_a_camera_a_null_sink_or_a_boolean(load: Any, base: str) -> None:
    text = base.replace("test", "${SOURCE}").replace("null", "${SINK}")
    flow = load(text, environ={"SOURCE": "0", "SINK": "null"})
    assert (flow.source.uri, flow.sinks[0].uri) == ("camera:0", "null")
    sink = "{uri: a.mp4, overwrite: '${YES}'}"
    assert load(base.replace("null", sink), environ={"YES": "true"}).sinks[0].overwrite is True


def test_an_empty_variable_is_not_a_null_sink(complain: Any, base: str) -> None:
    assert complain(base.replace("null", "${SINK}"), environ={"SINK": ""}) == [
        f"flow.yaml:3:7: error: `sink` is '', {EXPECTED_SINKS}\n    sink: ${{SINK}}\n          ^"
    ]


def test_keys_are_not_interpolated(complain: Any, base: str) -> None:
    (problem,) = complain(f"{base}$${{A}}: 1\n", environ={"A": "limits"})
    assert problem.splitlines()[0] == "flow.yaml:4:1: error: unknown key `$${A}`"


def test_a_wrong_value_from_a_variable_is_shown_as_what_it_became(complain: Any, base: str) -> None:
    assert complain(f"{base}limits: {{frames: '${{N}}'}}\n", environ={"N": "many"}) == [
        "flow.yaml:4:18: error: `limits.frames` is 'many', expected an integer of at least 1\n"
        "    limits: {frames: '${N}'}\n"
        "                     ^"
    ]
