"""The text of a flow: the lines of its file, and the overrides of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowrun.spec.excerpt import excerpt
from flowrun.spec.kinds import SinkKind
from flowrun.spec.nodes import Finding, Location
from flowrun.spec.problems import Problem
from flowrun.spec.secrets import redact


@dataclass(frozen=True, slots=True)
class Flag:
    """An override with its own flag: `name` as typed, `value` for the flow's `key`. With `adds`, a
    kind of sink, it adds a sink of that kind; `value` is its address, if not empty."""

    name: str
    key: str
    value: str
    adds: SinkKind | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.value}".rstrip()


Override = str | Flag  # KEY=VALUE, or a flag


@dataclass(frozen=True, slots=True)
class FlowText:
    """`path` and `overrides` as given by the user, the lines of the file, and the `bases` that it
    extends, nearest first."""

    path: str
    lines: Sequence[str]
    overrides: Sequence[Override] = ()
    bases: Sequence[FlowText] = ()

    def file(self, location: Location) -> str:
        """The path of the file of `location`, which is not that of an override."""
        return self.bases[location.text - 1].path if location.text else self.path

    def line(self, location: Location) -> str:
        """The line or override of `location`."""
        lines = self._lines(location)
        return lines[location.line - 1] if location.line <= len(lines) else ""

    def problem(self, finding: Finding) -> Problem:
        """The finding for the user, with path, line and caret, and without secrets."""
        location = finding.location
        text, caret = excerpt(self._lines(location), location.line, location.column)
        override = self.overrides[location.line - 1] if location.override else None
        flag = override.name if isinstance(override, Flag) else ""
        return Problem(
            message=redact(finding.message),
            path=flag or ("--set" if location.override else self.file(location)),
            line=1 if flag else location.line,
            column=location.column,
            key=redact(finding.key),
            text=text,
            caret=caret,
            hint=redact(finding.hint),
        )

    def _lines(self, location: Location) -> Sequence[str]:
        if not location.override:
            return self.bases[location.text - 1].lines if location.text else self.lines
        return [str(override).replace("\n", " ") for override in self.overrides]
