"""The sound of a source: encoded packets, which sinks copy as they are."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """How a source encodes its sound. `codec` is ffmpeg's name, `sample_rate` is in hertz, and
    `extradata` is what a decoder needs before the first packet, in ffmpeg's form."""

    codec: str
    sample_rate: int
    channels: int
    extradata: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class SoundPacket:
    """One packet, with its presentation time and its duration in seconds. While it is attached to
    a frame, `time` is relative to that of the frame; after that, it is on the time line of the
    frames."""

    data: bytes = field(repr=False)
    time: float
    duration: float
    format: SoundFormat
