"""The times of sound beside those of frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")

import av

from flowrun.media.pyav.sound import SoundReader
from tests.testbed.sound import clip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("sound") / "in.mkv", 1.0)


class World:
    def __init__(self, file: Path) -> None:
        self.container = av.open(str(file))
        self.reader = SoundReader()
        self.reader.open(self.container)

    def heard(self, *times: float) -> None:
        for time in times:
            packet: Any = av.Packet(b"x")
            packet.pts, packet.time_base = round(time * 1000), Fraction(1, 1000)
            self.reader._collect(packet)

    def shown(self, own: float, time: float) -> list[float]:
        """The absolute times of what is attached to a frame."""
        self.reader.place(own, time)
        return [round(each.time + time, 6) for each in self.reader.take(time)]

    def rest(self) -> list[float]:
        return [round(each.time, 6) for each in self.reader.take_rest(0.0)]


def test_the_packets_of_a_file_are_collected_while_its_video_is_read(file: Path) -> None:
    world = World(file)
    stream = world.container.streams.video[0]
    video = [packet for packet in world.reader.demux(world.container, stream) if packet.size]
    assert len(video) == 25
    world.reader.place(0.0, 0.0)
    assert 46 <= len(world.reader.take(0.0)) <= 49
    assert world.reader.format is not None
    assert world.reader.format.codec == "aac"


def test_a_packet_keeps_its_distance_from_the_frame_after_it(file: Path) -> None:
    world = World(file)
    world.heard(9.9, 10.1)
    assert world.shown(10.0, 0.0) == [-0.1, 0.1]
    world.heard(10.5)
    assert world.shown(10.6, 0.7) == [0.6]


def test_where_the_clock_jumps_each_packet_follows_the_nearer_frame(file: Path) -> None:
    world = World(file)
    world.heard(10.0)
    assert world.shown(10.0, 0.0) == [0.0]
    world.heard(10.1, 5000.0)
    assert world.shown(5000.1, 0.2) == [0.1, 0.1]


def test_what_follows_the_last_frame_keeps_its_distance_from_it(file: Path) -> None:
    world = World(file)
    assert world.shown(10.0, 1.0) == []
    world.heard(10.5)
    assert world.rest() == [1.5]


def test_a_packet_without_a_time_is_left_out(file: Path) -> None:
    world = World(file)
    packet: Any = av.Packet(b"x")
    world.reader._collect(packet)
    assert world.shown(0.0, 0.0) == []
