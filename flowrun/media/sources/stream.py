"""Open a live stream over RTMP, SRT, UDP or RTP."""

from __future__ import annotations

from flowrun.media.protocols import Source, SourceContext
from flowrun.media.sources.decoders import sessions
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.media.sources.rtsp import LOW_DELAY
from flowrun.spec.flow import SourceSpec

# Microseconds. Containers that may announce another stream at any time, such as MPEG-TS, are probed
# for five seconds otherwise.
_PROBE = ("-analyzeduration", "500000")


def stream(spec: SourceSpec, context: SourceContext) -> Source:
    """The stream as it arrives. It is waited for at the start, and opened again after its end."""
    make = sessions(spec, stream_input, context=context, live=spec.live, low_delay=True)
    return ReconnectingSource(spec, make)


def stream_input(spec: SourceSpec) -> list[str]:
    """The options of ffmpeg's input."""
    return [*LOW_DELAY, *_PROBE, "-i", spec.uri]
