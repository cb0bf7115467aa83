"""Which file of a recording gets which sound."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from flowrun.frame import Frame
from flowrun.media.sinks.recorded_sound import RecordedSound
from flowrun.media.sinks.recording import Recording
from flowrun.media.sound_queue import SoundQueue
from flowrun.sound import SoundFormat, SoundPacket

AAC = SoundFormat("aac", 48_000, 2)


class Written:
    """A recording that keeps the times of its packets."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.finished = self.aborted = False

    def write_sound(self, packet: SoundPacket) -> None:
        assert not self.finished
        self.times.append(packet.time)

    def abort(self) -> None:
        self.aborted = True


class World:
    def __init__(self) -> None:
        self.queue = SoundQueue(AAC, "sink")
        self.first, self.second = Written(), Written()
        self.sound = RecordedSound(self.queue, self._finish)

    def _finish(self, recording: Any) -> None:
        recording.finished = True

    def heard(self, *times: float) -> None:
        for time in times:
            self.queue.put(SoundPacket(b"", time, 0.5, AAC))

    def cut(self, time: float) -> None:
        self.sound.cut(cast(Recording, self.first), time)

    def frame(self, time: float, recording: Written | None = None) -> None:
        written = cast(Recording, recording or self.second)
        self.sound.up_to(_frame(time), written)

    def end(self, time: float) -> None:
        self.sound.last(_frame(time), cast(Recording, self.second))


def _frame(time: float) -> Frame:
    return Frame(np.zeros((2, 2, 3), np.uint8), 0, time, 0.5, 0.0)


def test_a_recording_is_finished_at_once_if_its_sound_is_complete() -> None:
    world = World()
    world.heard(0.0, 0.5, 1.0)
    world.frame(0.4, world.first)
    world.cut(1.0)
    assert world.first.finished
    world.frame(1.0)
    world.end(1.5)
    assert (world.first.times, world.second.times) == ([0.0, 0.5], [1.0])


def test_sound_that_arrives_after_the_boundary_gets_into_its_file() -> None:
    world = World()
    world.heard(0.0)
    world.cut(1.0)
    world.frame(1.0)
    assert not world.first.finished
    world.heard(0.5)
    world.frame(1.4)
    assert not world.first.finished
    world.heard(1.0)
    world.frame(1.5)
    world.end(1.5)
    assert world.first.finished
    assert (world.first.times, world.second.times) == ([0.0, 0.5], [1.0])


def test_sound_is_not_waited_for_longer_than_a_second() -> None:
    world = World()
    world.cut(1.0)
    world.frame(2.0)
    assert not world.first.finished
    world.frame(2.1)
    assert world.first.finished


def test_the_last_sound_is_divided_as_well() -> None:
    world = World()
    world.cut(1.0)
    world.frame(1.0)
    world.heard(0.5, 1.0, 1.6)
    world.end(1.0)
    assert world.first.finished
    assert (world.first.times, world.second.times) == ([0.5], [1.0])  # 1.6 is after the last frame


def test_a_recording_that_waits_for_its_sound_is_aborted_too() -> None:
    world = World()
    world.cut(1.0)
    world.sound.abort()
    assert world.first.aborted


def test_without_sound_a_recording_is_finished_at_once() -> None:
    first = Written()
    finished: list[Any] = []
    sound = RecordedSound(None, finished.append)
    sound.cut(cast(Recording, first), 1.0)
    sound.up_to(_frame(1.0), cast(Recording, Written()))
    sound.last(_frame(1.0), cast(Recording, Written()))
    assert finished == [first]
