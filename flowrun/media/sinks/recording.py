"""Write one video file beside its final name, and give it that name when it is finished."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.ffmpeg.playable import count_frames, plays
from flowrun.media.sinks.encoders import FileEncoder, SoundEncoder
from flowrun.sound import SoundPacket

log = logging.getLogger("flowrun")


@dataclass(frozen=True, slots=True)
class Target:
    """The names of a recording: `part` while it is written, `path` after `publish`, which renames
    it and raises `SinkError` if it cannot. The times of its frames are counted from `start`."""

    path: Path
    part: Path
    publish: Callable[[], None]
    start: float = 0.0

    @staticmethod
    def part_of(path: Path) -> Path:
        """`name.part.mp4` for `name.mp4`."""
        return path.with_name(f"{path.stem}.part{path.suffix}")


class Recording:
    """The file that `encoder` writes at `target.part`.

    `missing` counts the frames that the encoder accepted and did not write before it failed: known
    after `finish`. One thread, except for `abort`.
    """

    def __init__(self, encoder: FileEncoder, target: Target, key: str) -> None:
        self.size = encoder.size
        self.missing = 0
        self._encoder, self._target = encoder, target
        self._key = key
        self._written = 0  # frames
        self._aborted = False

    def write(self, frame: Frame) -> None:
        """Write one frame. Raises `SinkError`."""
        if self._target.start:
            frame = frame.placed(frame.index, frame.time - self._target.start, frame.captured)
        self._encoder.write(frame)
        self._written += 1

    def write_sound(self, packet: SoundPacket) -> None:
        """Write a packet of sound, if it is not earlier than the first frame. Raises `SinkError`.
        Only with `SinkContext.sound`."""
        assert isinstance(self._encoder, SoundEncoder)  # noqa: S101
        self._encoder.write_sound(replace(packet, time=packet.time - self._target.start))

    def finish(self) -> None:
        """End the file. It gets its final name if it plays. Raises `SinkError`. Once."""
        try:
            self._encoder.close()  # `abort` may interrupt this
        except SinkError:
            self._count_missing()
            self._salvage()
            raise
        if self._aborted:
            self._salvage()
        elif self._target.part.exists():
            self._target.publish()
        else:
            self.missing += self._written
            raise SinkError(
                f"{self._target.part} was removed or renamed during the run; there is no recording",
                key=self._key,
            )

    def abort(self) -> None:
        """End the encoder at once, from any thread. `finish` is still necessary."""
        self._aborted = True
        self._encoder.abort()

    def _count_missing(self) -> None:
        """Count the frames that the encoder has not written into the file."""
        part = self._target.part
        found = count_frames(part) if part.exists() else 0
        if found is None:
            log.warning(
                "%s: the frames in %s were not counted, it is too long; some that count as"
                " delivered may be missing",
                *(self._key, part),
            )
        else:
            self.missing += max(0, self._written - found)

    def _salvage(self) -> None:
        """Give the file of an encoder that may not have finished it its final name if it plays."""
        part = self._target.part
        if not part.exists() or remove_empty(part):
            return
        if plays(part):
            self._target.publish()
        else:
            log.error("%s: %s does not play and keeps this name", self._key, part)


def remove_empty(part: Path) -> bool:
    """Remove `part` if it is an empty file; whether it was one."""
    empty = part.is_file() and not part.stat().st_size
    if empty:
        part.unlink()
    return empty
