"""Validation of many files, and the three formats of the result."""

from __future__ import annotations

import errno
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from flowrun.spec.flow import Flow
from flowrun.spec.load import load_flow
from flowrun.spec.problems import Problem, Remark
from flowrun.spec.render import render
from flowrun.spec.validate_files import validate_files


@pytest.fixture
def folder(tmp_path: Path, base: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.yaml", "a.yml", "deep/er/c.yaml", "other/[x].yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(base, encoding="utf-8")
    Path("deep/bad.yaml").write_text(f"{base}limit: 1\n", encoding="utf-8")
    Path("deep/notes.txt").write_text("no flow", encoding="utf-8")
    Path("empty").mkdir()
    return tmp_path


def found(paths: list[str]) -> tuple[list[str], list[str]]:
    files, problems, *_ = validate_files(paths)
    names = [file.as_posix() for file in files]
    return names, [f"{problem.path}: {problem.message}" for problem in problems]


def test_a_directory_is_searched_at_any_depth(folder: Path) -> None:
    assert found(["."]) == (
        ["a.yml", "b.yaml", "deep/bad.yaml", "deep/er/c.yaml", "other/[x].yaml"],
        [f"{Path('deep/bad.yaml')}: unknown key `limit`"],
    )


def test_a_pattern_finds_files_and_a_name_with_brackets_is_a_name(folder: Path) -> None:
    assert found(["*.y*ml"]) == (["a.yml", "b.yaml"], [])
    assert found(["**/c.yaml", "other/[x].yaml"]) == (["deep/er/c.yaml", "other/[x].yaml"], [])


def test_a_file_that_is_named_twice_is_checked_once(folder: Path) -> None:
    assert found(["b.yaml", "./b.yaml", "*.yaml"]) == (["b.yaml"], [])


def test_a_path_that_names_no_file_is_a_problem(folder: Path) -> None:
    assert found(["none.yaml", "*.none", "empty", "b.yaml"]) == (
        ["b.yaml"],
        [
            "none.yaml: there is no such file",
            "*.none: no file matches this pattern",
            "empty: this directory has no flow (*.yaml, *.yml)",
        ],
    )


OTHERS = {
    "compose.yaml": "services:\n  source: {image: a}\n",
    "deploy.yml": "kind: A\n---\nkind: B\n",
    "tags.yaml": "Resources: !Ref source\n",
    "list.yaml": "- source: test\n",
    "empty.yaml": "",
    "comment.yaml": "# source: test\n",
}
FLOWS = {
    "extending.yaml": "extends: ../missing.yaml\n",
    "source.yml": "source: test\n",
    "transport.yaml": "{transport: {mode: unary}}\n",
    "version.yaml": "'version': 1\n",
    "broken.yaml": "sorce: test\ntransport: {mode: unary\nsink: null\n",
    "broken2.yaml": "\tx: 1\n'source' : test\n",
    "utf16.yaml": "source: test\n",
}


def test_a_directory_has_other_yaml_files_too_which_are_counted(folder: Path) -> None:
    Path("mixed").mkdir()
    for name, text in {**OTHERS, **FLOWS}.items():
        encoding = "utf-16" if name == "utf16.yaml" else "utf-8"
        Path("mixed", name).write_text(text, encoding=encoding)
    checked = validate_files(["mixed"])
    assert [file.name for file in checked.files] == sorted(FLOWS)
    assert {Path(problem.path).name for problem in checked.problems} == set(FLOWS)
    assert checked.skipped == len(OTHERS)
    assert validate_files(["mixed", "."]).skipped == len(OTHERS)
    assert validate_files(["mixed", "mixed/list.yaml"]).skipped == len(OTHERS) - 1


def test_a_directory_with_other_yaml_files_only_is_a_problem(folder: Path) -> None:
    keys = "`version`, `source`, `transport` or `extends` at the top level"
    Path("empty/a.yaml").write_text("a: 1\n")
    message = "empty: this directory has no flow: its YAML file has none of"
    assert found(["empty"]) == ([], [f"{message} {keys}"])
    Path("empty/b.yaml").write_text("")
    message = "empty: this directory has no flow: none of its 2 YAML files has one of"
    assert found(["empty"]) == ([], [f"{message} {keys}"])


def test_a_flow_may_come_from_standard_input(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def piped(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    piped(base)
    assert found(["-"]) == (["<stdin>"], [])
    piped(f"{base}limit: 1\n")
    (problem,) = validate_files(["-"]).problems
    assert str(problem).startswith("<stdin>:4:1: error: unknown key `limit`\n    limit: 1\n")
    piped(base)
    assert load_flow("-").name == "stdin"
    monkeypatch.setattr("sys.stdin", None)
    assert found(["-"]) == (["<stdin>"], ["<stdin>: standard input is closed"])


def test_a_directory_that_cannot_be_read_is_a_problem(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def refuse(path: str) -> Any:
        if path == "empty":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr("os.scandir", refuse)
    message = "empty: this directory cannot be read: Permission denied"
    assert found(["empty"]) == ([], [message])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_in_a_directory_is_skipped(folder: Path) -> None:
    os.mkfifo("empty/pipe.yaml")
    assert found(["empty"])[0] == []


def test_remarks_of_checks_are_reported_once_at_their_key(tmp_path: Path, base: str) -> None:
    path = tmp_path / "flow.yaml"
    hooks = "preprocess: [a:b]\npostprocess:\n- hook: c:d\n- {with: {}, hook: e:f}\n"
    path.write_text(base + hooks, encoding="utf-8")

    def check(flow: Flow) -> list[Remark]:
        assert flow.name == "flow"
        keys = [
            "postprocess[1].hook",
            "preprocess[0].hook",
            "postprocess[0].hook",
            "transport.input",
        ]
        return [Remark(key, "is bad") for key in keys]

    def second(_: Flow) -> list[Remark]:
        return [Remark("preprocess[0].hook", "is bad"), Remark("sink", "is odd", severity="note")]

    _, problems, *_ = validate_files([str(path)], checks=[check, second])
    assert [(problem.message, problem.line, problem.column) for problem in problems] == [
        ("transport.input: is bad", 2, 1),
        ("sink: is odd", 3, 7),
        ("preprocess[0].hook: is bad", 4, 14),
        ("postprocess[0].hook: is bad", 6, 9),
        ("postprocess[1].hook: is bad", 7, 20),
    ]
    assert [problem.severity for problem in problems] == ["error", "note", *["error"] * 3]
    assert problems[4].text == "- {with: {}, hook: e:f}"
    assert problems[4].caret == " " * 19 + "^"


def test_an_invalid_flow_is_not_checked_further(folder: Path) -> None:
    def check(flow: Flow) -> list[Remark]:
        raise AssertionError

    _, problems, *_ = validate_files(["deep/bad.yaml"], checks=[check])
    assert [problem.key for problem in problems] == ["limit"]


PROBLEMS = [
    Problem("50% a,b:c", "a,b:%.yaml", 3, 7, "x", "source: x", "      ^", "do\nthis"),
    Problem("there is no such file", "none"),
]
NOTE = Problem("by the way", "c", 2, key="sink", severity="note")


def test_the_text_report_ends_with_a_summary() -> None:
    assert render([Path("a,b:%.yaml"), Path("c")], PROBLEMS, "text") == (
        "a,b:%.yaml:3:7: error: 50% a,b:c\n    source: x\n          ^\n    do\n    this\n"
        "none:1:1: error: there is no such file\n"
        "2 flows checked: 2 problems in 1 flow"
    )


@pytest.mark.parametrize(
    ("files", "problems", "summary"),
    [
        (["a"], [], "1 flow checked: no problems"),
        (["a", "b"], [], "2 flows checked: no problems"),
        ([], [Problem("m", "x")], "0 flows checked: 1 problem"),
        (["c"], [NOTE], "1 flow checked: no problems"),
        (
            ["a", "b", "c"],
            [Problem("m", "a"), Problem("n", "b")],
            "3 flows checked: 2 problems in 2 flows",
        ),
    ],
)
def test_the_summary_counts_flows_and_problems(
    files: list[str], problems: list[Problem], summary: str
) -> None:
    report = render([Path(file) for file in files], problems, "text")
    assert report.splitlines()[-1] == summary


def test_the_report_says_how_many_files_were_skipped() -> None:
    files = [Path("a")]
    assert render(files, [], "text", 1) == "1 flow checked, 1 other YAML file skipped: no problems"
    assert render(files, [], "github", 2) == "2 other YAML files skipped"
    assert json.loads(render(files, [], "json", 3))["skipped"] == 3


def test_the_json_report_has_every_problem_with_its_location() -> None:
    assert json.loads(render([Path("c")], PROBLEMS, "json")) == {
        "valid": False,
        "files": ["c"],
        "problems": [
            {
                "path": "a,b:%.yaml",
                "line": 3,
                "column": 7,
                "key": "x",
                "message": "50% a,b:c",
                "hint": "do\nthis",
            },
            {
                "path": "none",
                "line": 1,
                "column": 1,
                "key": "",
                "message": "there is no such file",
                "hint": "",
            },
        ],
        "notes": [],
        "skipped": 0,
    }
    assert json.loads(render([], [NOTE], "json")) == {
        "valid": True,
        "files": [],
        "problems": [],
        "notes": [
            {
                "path": "c",
                "line": 2,
                "column": 1,
                "key": "sink",
                "message": "by the way",
                "hint": "",
            }
        ],
        "skipped": 0,
    }


def test_the_github_report_is_escaped_workflow_commands() -> None:
    assert render([Path("c")], PROBLEMS, "github") == (
        "::error file=a%2Cb%3A%25.yaml,line=3,col=7,title=invalid flow::50%25 a,b:c%0Ado%0Athis\n"
        "::error file=none,line=1,col=1,title=invalid flow::there is no such file"
    )
    assert render([Path("c")], [], "github") == ""
    assert render([], [NOTE], "github") == ("::notice file=c,line=2,col=1,title=flow::by the way")


@pytest.mark.parametrize(
    ("value", "notes"),
    [("500", 1), ("5", 0), ("500s", 0), ("500ms", 0), ("120.5", 0), ("${T:-500}", 1)],
)
def test_a_long_duration_without_a_unit_is_noted(tmp_path: Path, value: str, notes: int) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(
        "source: test\nsink: null\n"
        f"transport:\n  mode: unary\n  address: embedded\n  model: m\n  timeout: {value}\n"
    )
    found = validate_files([str(path)], environ={}).problems
    text = f"{path}:7:12: note: `transport.timeout` is 500 seconds\n      timeout: {value}\n"
    hint = "    milliseconds are written `500ms`, seconds `500s`"
    assert len(found) == notes
    assert all(str(each) == f"{text}               ^\n{hint}" for each in found)


@pytest.mark.parametrize(
    ("expect", "notes"),
    [
        ("dropped: 5%", 1),
        ("dropped.superseded: 0%", 1),
        ('dropped: "<= 5%"', 0),
        ("dropped: 5", 0),
        ("delivered: 99%", 0),
    ],
)
def test_a_share_of_lost_frames_without_a_comparison_is_noted(expect: str, notes: int) -> None:
    Path("flow.yaml").write_text(
        "source: test\nsink: null\nlimits: {frames: 5}\n"
        f"transport: {{mode: unary, address: embedded, model: m}}\nexpect: {{{expect}}}\n"
    )
    found = validate_files(["flow.yaml"], environ={}).problems
    key, _, value = expect.partition(": ")
    message = f"`expect.{key}`: without a comparison, {value} means at least {value}"
    hint = f'write `{key}: "<= {value}"` for at most {value}'
    assert [(note.line, note.message, note.hint) for note in found] == notes * [(5, message, hint)]
