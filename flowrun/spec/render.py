"""Render the problems of flows as text, as JSON or as GitHub annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from flowrun.spec.problems import Problem, Severity

Format = Literal["text", "json", "github"]


def render(
    files: Sequence[Path],
    problems: Sequence[Problem],
    format: Format,  # noqa: A002
    skipped: int = 0,
) -> str:
    """The files that were checked and their problems, without a final line end. `skipped` is the
    number of YAML files in directories that are no flows.

    `text`    every problem as `path:line:col: error: message` with its line, and a summary
    `json`    `{"valid": bool, "files": [path], "problems": [{"path", "line", "column", "key",
              "message", "hint"}], "notes": […], "skipped": int}`; lines and columns from 1,
              `key` and `hint` may be empty
    `github`  one workflow command per problem, which GitHub shows at the line
    """
    if format == "json":
        return _json(files, problems, skipped)
    if format == "github":
        return "\n".join([*map(_annotation, problems), *_skipped(skipped)])
    return "\n".join([*map(str, problems), _summary(files, problems, skipped)])


def errors(problems: Sequence[Problem]) -> list[Problem]:
    """The problems that make a flow invalid."""
    return [problem for problem in problems if problem.severity == "error"]


def _summary(files: Sequence[Path], problems: Sequence[Problem], skipped: int) -> str:
    problems = errors(problems)
    checked = ", ".join([f"{_count(len(files), 'flow')} checked", *_skipped(skipped)])
    if not problems:
        return f"{checked}: no problems"
    affected = {problem.path for problem in problems} & {str(file) for file in files}
    where = f" in {_count(len(affected), 'flow')}" if affected else ""
    return f"{checked}: {_count(len(problems), 'problem')}{where}"


def _skipped(number: int) -> list[str]:
    return [f"{_count(number, 'other YAML file')} skipped"] if number else []


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _json(files: Sequence[Path], problems: Sequence[Problem], skipped: int) -> str:
    names = ("path", "line", "column", "key", "message", "hint")

    def listed(severity: Severity) -> list[dict[str, Any]]:
        chosen = (problem for problem in problems if problem.severity == severity)
        return [{name: getattr(problem, name) for name in names} for problem in chosen]

    found = {
        "valid": not errors(problems),
        "files": [str(file) for file in files],
        "problems": listed("error"),
        "notes": listed("note"),
        "skipped": skipped,
    }
    return json.dumps(found, ensure_ascii=False, indent=2)


def _annotation(problem: Problem) -> str:
    text = f"{problem.message}\n{problem.hint}" if problem.hint else problem.message
    properties = {
        "file": problem.path,
        "line": str(problem.line),
        "col": str(problem.column),
        "title": "invalid flow" if problem.severity == "error" else "flow",
    }
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    command = "error" if problem.severity == "error" else "notice"
    return f"::{command} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
