"""Problems of a flow, with their location in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import indent
from typing import Literal, NamedTuple

from flowrun.errors import FlowrunError, InvalidFlowError
from flowrun.foreign import one_line

Severity = Literal["error", "note"]


class Remark(NamedTuple):
    """A problem or note about the flow's `key`, found by a check beyond the schema."""

    key: str
    message: str
    hint: str = ""
    severity: Severity = "error"

    @classmethod
    def of(cls, error: FlowrunError) -> Remark:
        """The remark for `error`."""
        return cls(error.key or "", error.message, error.hint or "")


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem at `path`, `line` and `column` (both from 1); `key` is the dotted flow key.

    For an override, `path` is `--set`, `line` its number and `column` the column in it; for a flag
    that overrides one key, `path` is its name and `line` is 1. `text` is the line without secrets,
    cut to a readable length, empty if there is none. `caret` is the line below it: blanks and a
    `^`, not at `column` if `text` was cut. A flow with notes only is valid.
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
        place = f"{one_line(self.path)}:{self.line}:{self.column}"
        lines = [f"{place}: {self.severity}: {one_line(self.message)}"]
        if self.text:
            lines += [f"    {self.text}", f"    {self.caret}"]
        if self.hint:
            lines.append(indent(self.hint, "    "))
        return "\n".join(lines)


class FlowError(InvalidFlowError):
    """The flow is invalid; `problems` has all problems, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("")
        self.message = "\n".join(map(str, problems))
