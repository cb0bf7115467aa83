"""Files that cannot be parsed: one clear error each, with bounded time and memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowrun.spec import yaml_parser
from flowrun.spec.flow_reading import MAX_BYTES
from flowrun.spec.load import load_flow
from flowrun.spec.nodes import MalformedMessageError
from flowrun.spec.problems import FlowError
from flowrun.spec.yaml_parser import MAX_DEPTH, MAX_VALUES, parse_yaml

NEEDS = "    a flow needs at least `source`, `transport` and `sink`"
BLANKS = "    check the indentation, and that every key is followed by `: `"
BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n"
    for old, new in zip("abcdefghijklmn", "bcdefghijklmno", strict=True)
)


@pytest.fixture(params=["CSafeLoader", "SafeLoader"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both of PyYAML's parsers: the one in C is not there everywhere."""
    loader = getattr(yaml, request.param, None)
    if loader is None:
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(yaml_parser, "_LOADER", loader)
    return str(request.param)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", f"1:1: error: the file is empty\n{NEEDS}"),
        (
            b"# only a comment\n",
            f"1:1: error: the file is empty\n    # only a comment\n    ^\n{NEEDS}",
        ),
        (b"---\n", f"1:1: error: the file is empty\n    ---\n    ^\n{NEEDS}"),
        (
            b"a: \0\n",
            "1:1: error: this is a binary file, expected YAML text",
        ),
        (
            "a: b".encode("utf-16"),
            "1:1: error: the file is UTF-16, expected UTF-8\n    save it as UTF-8",
        ),
        (
            "name: ü\nsource: ".encode() + b"\xfc\n",
            "2:9: error: the byte 0xfc is not UTF-8\n    save the file as UTF-8",
        ),
        (
            b"name: a\n  b\x07c\n",
            "2:4: error: the character U+0007 is not allowed in YAML\n"
            "      b\ufffdc\n       ^\n    is this a text file?",
        ),
        (
            b"source: test\n\tsink: null\n",
            "2:1: error: a tab cannot indent YAML\n    \tsink: null\n    ^\n    indent with blanks",
        ),
        (
            b"transport:\n  \tmode: unary\n",
            "2:3: error: a tab cannot indent YAML\n      \tmode: unary\n      ^\n"
            "    indent with blanks",
        ),
        (
            b"source: test\n---\nsource: test\n",
            "2:1: error: a second document starts here, but a flow file has one\n    ---\n    ^\n"
            "    put each flow into its own file",
        ),
        (
            b"source: a: b\n",
            "1:10: error: there is no key that this `:` could belong to\n    source: a: b\n"
            "             ^\n    check the indentation; a value that contains `: ` needs quotes",
        ),
        (
            b"source: test\n  sink: null\n",
            "2:7: error: there is no key that this `:` could belong to\n      sink: null\n"
            "          ^\n    check the indentation; a value that contains `: ` needs quotes",
        ),
        (
            b"transport:\n    mode: unary\n  model: m\n",
            "3:3: error: this does not continue the lines above\n      model: m\n      ^\n"
            + BLANKS,
        ),
        (
            b"source: @x\n",
            "1:9: error: a value cannot start with `@`\n    source: @x\n            ^\n"
            "    put it in quotes",
        ),
        (
            b"delivered: >= 1\n",
            "1:12: error: a value cannot start with `>`, which begins a text of several lines\n"
            "    delivered: >= 1\n               ^\n    put it in quotes",
        ),
        (b"sink: [a, b\n", "1:7: error: this `[` is not closed\n    sink: [a, b\n          ^"),
        (b"sink: [\n", "2:1: error: the file ends before a `[` or `{` is closed"),
        (b"sink: 'a\nb: c\n", "1:7: error: this `'` is not closed\n    sink: 'a\n          ^"),
        (
            b"limits: {frames: ${N:-4}}\n",
            "1:19: error: expected `,` or `}` in the `{` of line 1\n    limits: {frames: ${N:-4}}\n"
            "                      ^\n    quote a value that contains any of `{}[],`",
        ),
        (
            b"source: *x\n",
            "1:9: error: this alias has no anchor above\n    source: *x\n            ^",
        ),
        (
            b"source: &x [*x]\n",
            "1:13: error: this alias is inside its own anchor\n    source: &x [*x]\n"
            "                ^",
        ),
        (
            b"source: !!python/name:os.system x\n",
            "1:9: error: tags are not supported\n"
            "    source: !!python/name:os.system x\n            ^"
            "\n    put it in quotes if the `!` belongs to the value",
        ),
        (
            b"source: !mine x\n",
            "1:9: error: tags are not supported\n    source: !mine x\n"
            "            ^\n    put it in quotes if the `!` belongs to the value",
        ),
        (
            b"base: &b {}\n<<: *b\n",
            "2:1: error: merge keys (`<<`) are not supported\n    <<: *b\n    ^\n"
            "    repeat the keys, or use an alias for a whole value",
        ),
        (b"[a]: b\n", "1:1: error: a key must be a string that is not empty\n    [a]: b\n    ^"),
        (b"? \n: b\n", "1:2: error: a key must be a string that is not empty\n    ?\n     ^"),
        (
            b"- source: test\n",
            "1:1: error: the flow is a list, expected a mapping with `source`, `transport`,"
            " `sink`\n    - source: test\n    ^",
        ),
        (
            b"just words\n",
            "1:1: error: the flow is 'just words', expected a mapping with `source`, `transport`,"
            " `sink`\n    just words\n    ^",
        ),
    ],
)
def test_a_file_that_cannot_be_parsed_has_one_error(
    complain: Any, parser: str, text: bytes, problem: str
) -> None:
    found = complain(text)
    if text.startswith(b"? "):
        found = [re.sub("1:[123]", "1:2", each) for each in found]  # the parsers disagree
        found = [re.sub(r"\n +\^", "\n     ^", each) for each in found]
    assert found == [f"flow.yaml:{problem}"]


def test_a_bad_escape_is_explained(complain: Any, parser: str) -> None:
    (problem,) = complain(b'source: "C:\\Windows"\n')
    assert re.sub("1:1[123]", "1:12", problem.partition("\n")[0]) == (
        "flow.yaml:1:12: error: unknown escape in a double-quoted string"
    )
    assert problem.endswith("\n    write two backslashes for one, or use single quotes")


def test_a_duplicate_key_is_one_problem_and_the_first_one_counts(
    complain: Any, base: str, parser: str
) -> None:
    assert complain(f"{base}source: {{wrong: 1}}\nlimits: {{frames: 0}}\n") == [
        "flow.yaml:4:1: error: duplicate key `source`\n"
        "    source: {wrong: 1}\n    ^\n    first defined in line 1",
        "flow.yaml:5:18: error: `limits.frames` is 0, expected an integer of at least 1\n"
        "    limits: {frames: 0}\n                     ^",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1000,
        "a: " + "{b: " * 1000,
        "".join(" " * n + "a:\n" for n in range(1000)),
        "- " * 1000,
    ],
    ids=["lists", "mappings", "blocks", "dashes"],
)
def test_deep_nesting_is_one_error(complain: Any, parser: str, text: str) -> None:
    (problem,) = complain(text)
    assert problem.splitlines()[0].endswith(f": error: more than {MAX_DEPTH} levels of nesting")


def test_the_deepest_nesting_that_is_allowed_is_read() -> None:
    node, _ = parse_yaml("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
    for _ in range(MAX_DEPTH):
        assert isinstance(node.value, list)
        (node,) = node.value
    with pytest.raises(MalformedMessageError, match="levels of nesting"):
        parse_yaml("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2))


def test_an_alias_bomb_is_one_error(complain: Any, parser: str) -> None:
    (problem,) = complain(BOMB)
    assert problem == (
        "flow.yaml:12:8: error: more than 10,000 values\n    l: &l [*k, *k]\n           ^\n"
        "    a value behind an alias counts every time"
    )


def test_nesting_by_aliases_is_bounded_too(complain: Any) -> None:
    text = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))
    (problem,) = complain(text)
    assert (
        problem.splitlines()[0]
        == f"flow.yaml:{MAX_DEPTH}:12: error: more than 50 levels of nesting"
    )


def test_the_number_of_values_is_bounded_without_aliases(complain: Any) -> None:
    (problem,) = complain("- x\n" * MAX_VALUES)
    assert problem.splitlines()[0] == f"flow.yaml:{MAX_VALUES}:3: error: more than 10,000 values"


def test_a_huge_file_is_rejected_without_being_read(tmp_path: Path, parser: str) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    with pytest.raises(FlowError) as caught:
        load_flow(path)
    assert str(caught.value) == (
        f"{path}:1:1: error: the file is larger than 1024 KiB\n    is this the right file?"
    )


def test_a_file_of_the_largest_size_is_read(load: Any, base: str) -> None:
    text = base + "#" * (MAX_BYTES - len(base))
    assert load(text) == load(base)
    with pytest.raises(FlowError, match="larger than 1024 KiB"):
        load(text + "#")


def test_a_missing_file_and_a_directory_are_problems(tmp_path: Path) -> None:
    with pytest.raises(FlowError) as caught:
        load_flow(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path / 'none.yaml'}:1:1: error: there is no such file"
    with pytest.raises(FlowError, match=r"1:1: error: the file cannot be read: "):
        load_flow(tmp_path)
    with pytest.raises(FlowError, match=r"1:1: error: the file cannot be read: "):
        load_flow("a\0b")


def test_only_the_first_hundred_problems_are_listed(complain: Any, base: str) -> None:
    problems = complain(base + "".join(f"k{n}: 1\n" for n in range(250)))
    assert len(problems) == 101
    assert problems[-1] == (
        "flow.yaml:104:1: error: 150 further problems are not shown\n    k100: 1\n    ^"
    )


@pytest.mark.parametrize("space", ["\u00a0", "\u2003", "\u200b", "\u202f", "\u3000"])
@pytest.mark.parametrize(
    ("line", "column"),
    [("source:{}test", 8), ("source: {}test", 9), ("{}source: test", 1), ("source: [{}test]", 10)],
)
def test_a_space_that_is_no_blank_is_found_where_it_matters(
    space: str, line: str, column: int
) -> None:
    with pytest.raises(MalformedMessageError) as caught:
        parse_yaml(f"version: 1\n{line.format(space)}\n")
    finding = caught.value.finding
    assert (finding.location.line, finding.location.column) == (2, column)
    assert f"U+{ord(space):04X}" in finding.message
    assert "replace it with a blank" in finding.hint


@pytest.mark.parametrize("text", ['a: "x\u00a0y"', "a: caf\u00e9\u00a0b", "a: 1  # \u00a0note"])
def test_such_a_space_inside_a_text_or_a_comment_is_one_of_it(text: str) -> None:
    parse_yaml(text)
