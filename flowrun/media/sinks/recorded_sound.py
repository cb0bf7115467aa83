"""Distribute the sound of a recording over its files."""

from __future__ import annotations

from collections.abc import Callable

from flowrun.frame import Frame
from flowrun.media.sinks.recording import Recording
from flowrun.media.sound_queue import SoundQueue
from flowrun.sound import SoundPacket

_LATE = 1.0  # seconds by which the sound of a source may arrive after its pictures


class RecordedSound:
    """Writes the sound of `queue` into the recordings of a sink, none with `None`.

    A recording that ends gives its place to the next one at once, and is passed to `finish` when
    its sound is complete, at the latest `_LATE` after its end. Methods raise `SinkError`. One
    thread, except for `abort`.
    """

    def __init__(self, queue: SoundQueue | None, finish: Callable[[Recording], None]) -> None:
        self._queue = queue
        self._finish = finish
        self._ending: Recording | None = None  # at the time `_boundary`
        self._boundary = 0.0

    def cut(self, recording: Recording, time: float) -> None:
        """`recording` ends at `time`, where another one begins."""
        self._end()
        if self._queue is None:
            self._finish(recording)
            return
        self._ending, self._boundary = recording, time
        self._write_ending(self._queue.take(time))

    def up_to(self, frame: Frame, recording: Recording) -> None:
        """Write the sound that comes before `frame`, which `recording` writes next."""
        if self._queue is None:
            return
        packets = self._queue.take(frame.time)
        if self._ending is not None:
            self._write_ending([each for each in packets if each.time < self._boundary])
            packets = [each for each in packets if each.time >= self._boundary]
            if frame.time > self._boundary + _LATE:
                self._end()
        for packet in packets:
            recording.write_sound(packet)

    def last(self, frame: Frame | None, recording: Recording) -> None:
        """Write the sound until `frame` ends, the last one of `recording`."""
        if self._queue is not None and frame is not None:
            for packet in self._queue.take_last(frame.time + frame.duration):
                if self._ending is None or packet.time >= self._boundary:
                    recording.write_sound(packet)
                else:
                    self._ending.write_sound(packet)
        self._end()

    def abort(self) -> None:
        """Abort the recording that ends. From any thread."""
        recording = self._ending
        if recording is not None:
            recording.abort()

    def _write_ending(self, packets: list[SoundPacket]) -> None:
        if self._ending is None or self._queue is None:
            return
        for packet in packets:
            self._ending.write_sound(packet)
        if self._queue.reaches(self._boundary):
            self._end()

    def _end(self) -> None:
        recording, self._ending = self._ending, None
        if recording is not None:
            self._finish(recording)
