"""Collect the sound of a container while its video is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from flowrun.sound import SoundFormat, SoundPacket

_JUMP = 10.0  # seconds between a packet and the frame after it from which on the clock has jumped
_MAX_PACKETS = 4096  # between two frames; about a minute of sound


class SoundReader:
    """The packets of the first audio stream, with times on the time line of the frames.

    `place` is called for each frame in order; `take` gives the packets since the previous frame. A
    packet keeps its distance from the frame that follows it, or, where the clock jumps between
    them, from the one before. Used by one thread at a time.
    """

    def __init__(self) -> None:
        self.format: SoundFormat | None = None
        self.stream: AudioStream | None = None
        self._read: list[SoundPacket] = []  # at the container's own times
        self._placed: list[SoundPacket] = []
        self._shift: float | None = None  # from the container's times to those of the frames

    def open(self, container: InputContainer) -> None:
        """Continue with `container`, at its start."""
        self._place_rest()
        self.stream = next(iter(container.streams.audio), None)
        codec = self.stream.codec_context if self.stream is not None else None
        if codec is None:
            self.stream = self.format = None
            return
        name = codec.codec.canonical_name  # `name` is that of the decoder
        extradata = bytes(codec.extradata or b"")
        self.format = SoundFormat(name, codec.sample_rate, codec.channels, extradata)

    def demux(self, container: InputContainer, video: VideoStream) -> Iterator[Packet[VideoStream]]:
        """The packets of `video`, while those of the sound are collected."""
        streams = [video] if self.stream is None else [video, self.stream]
        packets: Iterator[Packet[Any]] = container.demux(*streams)
        for packet in packets:
            if packet.stream is self.stream:
                self._collect(packet)
            else:
                yield packet

    def _collect(self, packet: Packet[AudioStream]) -> None:
        if self.format is None or packet.pts is None or not packet.size:
            return  # the last packet of a stream is empty
        tick = float(packet.time_base)
        duration = (packet.duration or 0) * tick
        self._read.append(SoundPacket(bytes(packet), packet.pts * tick, duration, self.format))
        del self._read[:-_MAX_PACKETS]

    def place(self, own: float, time: float) -> None:
        """The next frame has the time `own` in the container, and is shown at `time` (seconds)."""
        for packet in self._read:
            near = self._shift is None or abs(packet.time - own) < _JUMP
            self._move(packet, time - own if near or self._shift is None else self._shift)
        self._read.clear()
        self._shift = time - own

    def take(self, time: float) -> list[SoundPacket]:
        """The packets up to the frame that was placed last, relative to `time`."""
        taken = [_moved(packet, -time) for packet in self._placed]
        self._placed.clear()
        return taken

    def take_rest(self, time: float) -> list[SoundPacket]:
        """The packets after the last frame, relative to `time`."""
        self._place_rest()
        return self.take(time)

    def _place_rest(self) -> None:
        for packet in self._read:
            self._move(packet, self._shift or 0.0)
        self._read.clear()

    def _move(self, packet: SoundPacket, shift: float) -> None:
        self._placed.append(_moved(packet, shift))
        del self._placed[:-_MAX_PACKETS]


def _moved(packet: SoundPacket, seconds: float) -> SoundPacket:
    return SoundPacket(packet.data, packet.time + seconds, packet.duration, packet.format)
