"""A finding in a flow file, with the place where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Literal, NamedTuple

from flowrun.errors import FlowrunError, InvalidFlowError

Severity = Literal["error", "note"]


class Remark(NamedTuple):
    """What somebody who knows more than the schema has to say of the flow's `key`."""

    key: str
    message: str
    hint: str = ""
    severity: Severity = "error"

    @classmethod
    def of(cls, error: FlowrunError) -> Remark:
        """What `error` says."""
        return cls(error.key or "", error.message, error.hint or "")


@dataclass(frozen=True, slots=True)
class Problem:
    """`path`, `line` and `column` (both from 1) say where; `key` is the dotted flow key.

    For an override, `path` is `--set`, `line` its number and `column` the place in it; for a flag
    that overrides one key, `path` is its name and `line` 1. `text` is
    the offending line without its secrets, cut to a readable length, empty if there is none.
    `caret` is what stands below it: blanks and a `^`, not at `column` if the line was cut. A flow
    with notes only is valid.
    """

    message: str
    path: str
    line: int = 1
    column: int = 1
    key: str = ""
    text: str = ""
    caret: str = ""
    hint: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        """`path:line:col: error: message`, the line, a caret, the hint."""
        lines = [f"{self.path}:{self.line}:{self.column}: {self.severity}: {self.message}"]
        if self.text:
            lines += [f"    {self.text}", f"    {self.caret}"]
        if self.hint:
            lines.append(indent(self.hint, "    "))
        return "\n".join(lines)


class FlowError(InvalidFlowError):
    """The flow is invalid; `problems` holds every finding, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)
