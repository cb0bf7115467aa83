"""Where a flow's text comes from: its file and the overrides of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowrun.spec.kinds import SinkKind
from flowrun.spec.nodes import Finding, Place
from flowrun.spec.problems import Problem
from flowrun.spec.quote import quote
from flowrun.spec.secrets import redact


@dataclass(frozen=True, slots=True)
class Flag:
    """An override with a flag of its own: `name` as the user spelt it, `value` for the flow's
    `key`. With `adds`, a kind of sink, it is the address of one more of them, if not empty."""

    name: str
    key: str
    value: str
    adds: SinkKind | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.value}".rstrip()


Override = str | Flag  # KEY=VALUE, or a flag


@dataclass(frozen=True, slots=True)
class Origin:
    """`path` as the user gave it, the lines of the file, and the overrides as they were given."""

    path: str
    lines: Sequence[str]
    overrides: Sequence[Override] = ()

    def line(self, place: Place) -> str:
        """The text that `place` is in."""
        lines = self._lines(place)
        return lines[place.line - 1] if place.line <= len(lines) else ""

    def problem(self, finding: Finding) -> Problem:
        """The finding for the user: with path, line and caret, and without secrets."""
        place = finding.place
        text, caret = quote(self._lines(place), place.line, place.column)
        override = self.overrides[place.line - 1] if place.override else None
        flag = override.name if isinstance(override, Flag) else ""
        return Problem(
            message=redact(finding.message),
            path=flag or ("--set" if place.override else self.path),
            line=1 if flag else place.line,
            column=place.column,
            key=redact(finding.key),
            text=text,
            caret=caret,
            hint=redact(finding.hint),
        )

    def _lines(self, place: Place) -> Sequence[str]:
        if not place.override:
            return self.lines
        return [str(override).replace("\n", " ") for override in self.overrides]
