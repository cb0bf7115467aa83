"""A video, or an endless stream, from a web server."""

from __future__ import annotations

from flowrun.image.buffers import Buffers
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.decoder import Decoder
from flowrun.media.protocols import Source
from flowrun.media.sources.supervised import Supervised
from flowrun.spec.flow import SourceSpec


def http(spec: SourceSpec, buffers: Buffers) -> Source:
    """What has a known length is read like a file; what has none is live."""
    return Supervised(spec, lambda: Decoder(spec, http_input, buffers=buffers, live=spec.live))


def http_input(spec: SourceSpec) -> list[str]:
    """ffmpeg's input options."""
    return [*commands.loop_options(spec), "-i", spec.uri]
