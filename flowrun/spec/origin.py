"""Where a flow's text comes from: its file and the overrides of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowrun.spec.nodes import Finding, Place
from flowrun.spec.problems import Problem
from flowrun.spec.quote import quote
from flowrun.spec.secrets import redact


@dataclass(frozen=True, slots=True)
class Origin:
    """`path` as the user gave it, the lines of the file, and the overrides as they were given."""

    path: str
    lines: Sequence[str]
    overrides: Sequence[str] = ()

    def line(self, place: Place) -> str:
        """The text that `place` is in."""
        lines = self.overrides if place.override else self.lines
        return lines[place.line - 1] if place.line <= len(lines) else ""

    def problem(self, finding: Finding) -> Problem:
        """The finding for the user: with path, line and caret, and without secrets."""
        place = finding.place
        lines = self.overrides if place.override else self.lines
        text, caret = quote(lines, place.line, place.column)
        return Problem(
            message=redact(finding.message),
            path="--set" if place.override else self.path,
            line=place.line,
            column=place.column,
            key=redact(finding.key),
            text=text,
            caret=caret,
            hint=redact(finding.hint),
        )
