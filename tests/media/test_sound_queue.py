"""The queue of the sound, and how it comes off the frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from flowrun.frame import Frame
from flowrun.media.sound_queue import SoundQueue, SoundTap
from flowrun.sound import SoundFormat, SoundPacket

AAC = SoundFormat("aac", 48_000, 2)
PICTURE = np.zeros((2, 2, 3), np.uint8)


def packet(time: float, data: bytes = b"x", of: SoundFormat = AAC) -> SoundPacket:
    return SoundPacket(data, time, 0.02, of)


def frame(index: int, time: float, *offsets: float) -> Frame:
    return Frame(PICTURE, index, time, 0.04, 0.0, {}, None, [packet(each) for each in offsets])


def times(queue: SoundQueue, until: float = math.inf) -> list[float]:
    return [round(each.time, 6) for each in queue.take(until)]


def tapped(source: Any) -> tuple[SoundQueue, list[Frame]]:
    tap = SoundTap()
    queue = tap.queue(AAC, "sink")
    return queue, list(tap.frames(source))


def test_packets_get_the_times_of_their_frames() -> None:
    queue, frames = tapped([frame(0, 0.0, -0.01, 0.01), frame(1, 5.0, -0.5)])
    assert times(queue) == [-0.01, 0.01, 4.5]
    assert [each.index for each in frames] == [0, 1]


def test_packets_that_are_attached_later_are_not_lost() -> None:
    def source() -> Iterator[Frame]:
        last = frame(0, 1.0)
        yield last
        assert last.sound is not None
        last.sound.append(packet(0.3))

    queue, _ = tapped(source())
    assert times(queue) == [1.3]
    assert queue.reaches(99.0)  # it is complete


def test_frames_without_sound_pass() -> None:
    queue, frames = tapped([Frame(PICTURE, 0, 0.0, 0.0, 0.0)])
    assert (times(queue), len(frames)) == ([], 1)


def test_without_a_queue_the_source_itself_is_iterated() -> None:
    source = [frame(0, 0.0)]
    assert SoundTap().frames(source) is source


def test_packets_are_taken_up_to_a_time() -> None:
    queue = SoundQueue(AAC, "sink")
    for time in (0.0, 0.5, 1.0):
        queue.put(packet(time))
    assert not queue.reaches(1.1)
    assert queue.reaches(1.0)
    assert times(queue, 1.0) == [0.0, 0.5]
    assert times(queue) == [1.0]


def test_all_is_taken_at_the_end_only_if_the_source_has_ended() -> None:
    queue = SoundQueue(AAC, "sink")
    for time in (0.0, 5.0, 9.0):
        queue.put(packet(time))
    assert len(queue.take_last(1.0)) == 1
    queue.complete()
    assert len(queue.take_last(1.0)) == 2


def test_a_full_queue_discards_its_oldest_packets_with_one_warning(caplog: Any) -> None:
    queue = SoundQueue(AAC, "sink[1]")
    for number in range(20):
        queue.put(packet(number, bytes(1_000_000)))
    assert times(queue) == list(range(4, 20))
    assert caplog.messages == ["sink[1]: sound is discarded, because the sink writes no frames"]


def test_another_format_ends_the_sound_with_one_warning(caplog: Any) -> None:
    queue = SoundQueue(AAC, "sink")
    queue.put(packet(0.0))
    for time in (1.0, 2.0):
        queue.put(packet(time, of=SoundFormat("mp3", 44_100, 2)))
    assert times(queue) == [0.0]
    assert caplog.messages == [
        "sink: the source has changed the format of its sound, which ends here"
    ]
