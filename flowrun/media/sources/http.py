"""Open a video, an endless stream or a picture from a web server."""

from __future__ import annotations

from flowrun.media.ffmpeg import commands
from flowrun.media.protocols import Source, SourceContext
from flowrun.media.sources.decoders import sessions
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.spec.flow import SourceSpec


def http(spec: SourceSpec, context: SourceContext) -> Source:
    """A video of known duration is read like a file; without one it is live. With `poll`, a
    picture."""
    if spec.poll is not None:
        from flowrun.media.sources.snapshot import snapshot

        return snapshot(spec, context.buffers)
    make = sessions(spec, http_input, context=context, live=spec.live)
    return ReconnectingSource(spec, make)


def http_input(spec: SourceSpec) -> list[str]:
    """ffmpeg's input options."""
    return [*commands.loop_options(spec), "-i", spec.uri]
