"""Open an RTSP stream of a camera or a server."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from flowrun.errors import SourceError
from flowrun.media.protocols import Source, SourceContext
from flowrun.media.sources.decoders import FallbackSession, MakeSession, sessions
from flowrun.media.sources.reconnecting import ReconnectingSource, Session
from flowrun.spec.flow import RtspTransport, SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")

# Decode without waiting for later frames, and probe the stream only until its size is known.
# (`-fflags nobuffer` would discard the frames that arrive meanwhile.)
LOW_DELAY = ("-flags", "low_delay", "-fpsprobesize", "0")
_OTHER: dict[RtspTransport, RtspTransport] = {"tcp": "udp", "udp": "tcp"}


def rtsp(spec: SourceSpec, context: SourceContext) -> Source:
    """The stream as it arrives, over TCP or UDP as `rtsp_transport` sets; over the other one if the
    server does not support that."""

    def over(transport: RtspTransport) -> MakeSession:
        changed = replace(spec, rtsp_transport=transport)
        return sessions(changed, rtsp_input, context=context, live=spec.live, low_delay=True)

    return ReconnectingSource(
        spec, TransportFallback(spec, {"tcp": over("tcp"), "udp": over("udp")})
    )


def rtsp_input(spec: SourceSpec) -> list[str]:
    """ffmpeg's input options."""
    return [*LOW_DELAY, "-rtsp_transport", spec.rtsp_transport, "-i", spec.uri]


class TransportFallback:
    """Makes the sessions of an RTSP source. If the server refuses the transport, a session uses the
    other one, which is logged once; the next session begins with the one that worked."""

    def __init__(self, spec: SourceSpec, make: Mapping[RtspTransport, MakeSession]) -> None:
        """`make` has the sessions over each transport."""
        self._uri = redact(spec.uri)
        self._make = make
        self._transport = spec.rtsp_transport
        self._logged = False

    def __call__(self) -> Session:
        refused = self._transport
        other = _OTHER[refused]

        def second(_: SourceError) -> Session:
            if not self._logged:
                self._logged = True
                log.warning(
                    "source: %s does not support rtsp_transport: %s; using %s",
                    *(self._uri, refused, other),
                )
            return self._make[other]()

        def opened(_: SourceError) -> None:
            self._transport = other

        return FallbackSession("unsupported transport", self._make[refused](), second, opened)
