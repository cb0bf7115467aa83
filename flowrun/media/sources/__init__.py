"""Where frames come from: one kind, one file, one line here."""

from __future__ import annotations

from collections.abc import Callable

from flowrun.errors import InvalidFlowError
from flowrun.media.protocols import Source
from flowrun.media.sources.file import file
from flowrun.media.sources.pattern import PatternSource
from flowrun.spec.flow import SourceSpec
from flowrun.spec.kinds import SourceKind

SOURCES: dict[SourceKind, Callable[[SourceSpec], Source]] = {
    "file": file,
    "test": PatternSource,
}


def make_source(spec: SourceSpec) -> Source:
    """The source that `spec` names, not open yet. Raises `InvalidFlowError` for a kind that this
    version does not have."""
    if spec.kind not in SOURCES:
        raise InvalidFlowError(f"{spec.kind} sources are not supported yet", key="source")
    return SOURCES[spec.kind](spec)
