"""The kinds of sources, one module each, and the registry that maps a kind to its factory."""

from __future__ import annotations

from collections.abc import Callable

from flowrun.media.protocols import Source, SourceContext
from flowrun.media.sources.camera import camera
from flowrun.media.sources.file import file
from flowrun.media.sources.http import http
from flowrun.media.sources.paced import PacedSource
from flowrun.media.sources.pattern import PatternSource
from flowrun.media.sources.rtsp import rtsp
from flowrun.media.sources.stream import stream
from flowrun.spec.flow import SourceSpec
from flowrun.spec.kinds import SourceKind

SOURCES: dict[SourceKind, Callable[[SourceSpec, SourceContext], Source]] = {
    "camera": camera,
    "file": file,
    "http": http,
    "rtsp": rtsp,
    "stream": stream,
    "test": lambda spec, _: PatternSource(spec),
}


def make_source(spec: SourceSpec, context: SourceContext | None = None) -> Source:
    """The source of `spec`, not open yet; by default in memory of the process, without sound."""
    source = SOURCES[spec.kind](spec, context or SourceContext())
    return PacedSource(source) if spec.pace == "realtime" else source
