"""The encoders of video files, by the value of `sink.encoder`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from flowrun.frame import Frame
from flowrun.media import encoding
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.encoder import Encoder
from flowrun.media.protocols import SinkContext
from flowrun.media.pyav.availability import missing
from flowrun.sound import SoundPacket
from flowrun.spec.flow import SinkSpec

log = logging.getLogger("flowrun")


class FileEncoder(Protocol):
    """One file with frames of one `size` (width, height): `write`, `close` and `abort` are those
    of a `Sink`."""

    size: tuple[int, int]

    def write(self, frame: Frame) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


@runtime_checkable
class SoundEncoder(FileEncoder, Protocol):
    """A file with the sound of `SinkContext.sound`."""

    def write_sound(self, packet: SoundPacket) -> None: ...


# (the sink of the flow, its context, the size, the new file)
Open = Callable[[SinkSpec, SinkContext, tuple[int, int], Path], FileEncoder]


def _ffmpeg(key: str) -> Open:
    def open_encoder(
        spec: SinkSpec, context: SinkContext, size: tuple[int, int], target: Path
    ) -> FileEncoder:
        sound = context.sound is not None
        arguments = commands.encode(spec, context.info, size, target, sound=sound)
        return Encoder(arguments, context, size, str(target))

    return open_encoder


def _av(key: str) -> Open:
    """Raises `InvalidFlowError` without PyAV; `key` is that of the sink in the flow.

    PyAV does not set the pixel aspect of a stream, only that of its codec. Files for which that is
    not enough, and those with sound, are encoded by ffmpeg.
    """
    try:
        from flowrun.media.pyav.encoder import AvEncoder
    except ImportError as error:
        raise missing(error, f"{key}.encoder") from error
    open_process = _ffmpeg(key)

    def open_encoder(
        spec: SinkSpec, context: SinkContext, size: tuple[int, int], target: Path
    ) -> FileEncoder:
        if context.sound is not None:
            log.info("%s: ffmpeg encodes %s, because it has sound", key, spec.uri)
            return open_process(spec, context, size, target)
        codec = spec.codec or encoding.CODECS[target.suffix.lower()]
        if context.info.pixel_aspect == 1 or encoding.keeps_aspect(codec, target.suffix.lower()):
            return AvEncoder(spec, context, size, target)
        log.info(
            "%s: ffmpeg encodes %s, because PyAV cannot write the shape of its pixels (%s)",
            *(key, spec.uri, context.info.pixel_aspect),
        )
        return open_process(spec, context, size, target)

    return open_encoder


ENCODERS: dict[str, Callable[[str], Open]] = {"ffmpeg": _ffmpeg, "av": _av}
