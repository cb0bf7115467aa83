"""Open an RTSP stream of a camera or a server."""

from __future__ import annotations

from flowrun.image.buffers import Buffers
from flowrun.media.protocols import Source
from flowrun.media.sources.decoders import sessions
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.spec.flow import SourceSpec

# Decode without waiting for later frames, and probe the stream only until its size is known.
# (`-fflags nobuffer` would discard the frames that arrive meanwhile.)
_LOW_DELAY = ("-flags", "low_delay", "-fpsprobesize", "0")


def rtsp(spec: SourceSpec, buffers: Buffers) -> Source:
    """The stream as it arrives, over TCP or UDP as `rtsp_transport` sets."""
    make = sessions(spec, rtsp_input, buffers=buffers, live=spec.live, low_delay=True)
    return ReconnectingSource(spec, make)


def rtsp_input(spec: SourceSpec) -> list[str]:
    """ffmpeg's input options."""
    return [*_LOW_DELAY, "-rtsp_transport", spec.rtsp_transport, "-i", spec.uri]
