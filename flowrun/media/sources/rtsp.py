"""A camera or a server that speaks RTSP."""

from __future__ import annotations

from flowrun.image.buffers import Buffers
from flowrun.media.ffmpeg.decoder import Decoder
from flowrun.media.protocols import Source
from flowrun.media.sources.supervised import Supervised
from flowrun.spec.flow import SourceSpec

# Decode without waiting for later frames, and look no longer at the stream than it takes to know
# its size. (`-fflags nobuffer` would throw away what comes meanwhile.)
_LOW_DELAY = ("-flags", "low_delay", "-fpsprobesize", "0")


def rtsp(spec: SourceSpec, buffers: Buffers) -> Source:
    """The stream as it comes, over TCP or UDP as `rtsp_transport` says."""
    return Supervised(spec, lambda: Decoder(spec, rtsp_input, buffers=buffers, live=spec.live))


def rtsp_input(spec: SourceSpec) -> list[str]:
    """ffmpeg's input options."""
    return [*_LOW_DELAY, "-rtsp_transport", spec.rtsp_transport, "-i", spec.uri]
