"""Open a camera of this machine."""

from __future__ import annotations

from flowrun.media.ffmpeg.camera_input import open_options
from flowrun.media.protocols import Source, SourceContext
from flowrun.media.sources.decoders import sessions
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.spec.flow import SourceSpec


def camera(spec: SourceSpec, context: SourceContext) -> Source:
    """The camera, with the size and rate of the flow."""
    make = sessions(spec, _inputs, context=context, live=spec.live, low_delay=True)
    return ReconnectingSource(spec, make)


def _inputs(spec: SourceSpec) -> list[str]:
    return open_options(spec.uri, spec.size, spec.fps)
