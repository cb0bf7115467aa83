"""A camera of this machine."""

from __future__ import annotations

from flowrun.image.buffers import Buffers
from flowrun.media.ffmpeg.camera_input import open_options
from flowrun.media.ffmpeg.decoder import Decoder
from flowrun.media.protocols import Source
from flowrun.media.sources.supervised import Supervised
from flowrun.spec.flow import SourceSpec


def camera(spec: SourceSpec, buffers: Buffers) -> Source:
    """What the camera sees, in the size and at the rate that the flow asks of it."""
    return Supervised(spec, lambda: Decoder(spec, _inputs, buffers=buffers, live=spec.live))


def _inputs(spec: SourceSpec) -> list[str]:
    return open_options(spec.uri, spec.size, spec.fps)
