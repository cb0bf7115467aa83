"""Take the sound off the frames of a source, before frames can be dropped, and queue it."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator

from flowrun.frame import Frame
from flowrun.sound import SoundFormat, SoundPacket

log = logging.getLogger("flowrun")

_CAPACITY = 16_000_000  # bytes
_MAX_PACKETS = 8192  # about three minutes


class SoundQueue:
    """The sound for one sink, at times on the time line of the frames. When it is full, the oldest
    packets are discarded. Thread-safe."""

    def __init__(self, format: SoundFormat, key: str) -> None:  # noqa: A002
        """`key` is that of the sink in the flow, for the log."""
        self.format = format
        self._key = key
        self._lock = threading.Lock()
        self._packets: deque[SoundPacket] = deque()
        self._bytes = 0
        self._end = -math.inf  # of what was put
        self._complete = False
        self._logged: set[str] = set()

    def put(self, packet: SoundPacket) -> None:
        """Append a packet. One in another format than the first session of the source had cannot
        be copied, and is discarded."""
        if packet.format != self.format:
            self._warn("the source has changed the format of its sound, which ends here")
            return
        with self._lock:
            self._packets.append(packet)
            self._bytes += len(packet.data)
            self._end = max(self._end, packet.time)
            while self._bytes > _CAPACITY or len(self._packets) > _MAX_PACKETS:
                self._bytes -= len(self._packets.popleft().data)
                self._warn("sound is discarded, because the sink writes no frames")

    def complete(self) -> None:
        """The source has ended: nothing follows."""
        with self._lock:
            self._complete = True

    def reaches(self, time: float) -> bool:
        """Whether all sound before `time` has been put."""
        with self._lock:
            return self._complete or self._end >= time

    def take(self, until: float = math.inf) -> list[SoundPacket]:
        """The packets that begin before `until`, in order."""
        taken = []
        with self._lock:
            while self._packets and self._packets[0].time < until:
                taken.append(self._packets.popleft())
                self._bytes -= len(taken[-1].data)
        return taken

    def take_last(self, end: float) -> list[SoundPacket]:
        """The packets up to `end`, or all if the source has ended: its sound may be longer than its
        video."""
        return self.take(math.inf if self._complete else end)

    def _warn(self, text: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            log.warning("%s: %s", self._key, text)


class SoundTap:
    """Passes the frames of a source on, and puts their sound into all queues."""

    def __init__(self) -> None:
        self._queues: list[SoundQueue] = []

    def queue(self, format: SoundFormat, key: str) -> SoundQueue:  # noqa: A002
        """Another queue, for the sink at `key`."""
        self._queues.append(SoundQueue(format, key))
        return self._queues[-1]

    def frames(self, source: Iterable[Frame]) -> Iterable[Frame]:
        """The frames of `source`, for one iteration."""
        return self._tapped(source) if self._queues else source

    def _tapped(self, source: Iterable[Frame]) -> Iterator[Frame]:
        sound: list[SoundPacket] = []
        time = 0.0
        for frame in source:
            self._put(sound, time)  # what came after the previous frame
            sound, time = [] if frame.sound is None else frame.sound, frame.time
            self._put(sound, time)
            yield frame
            del frame
        self._put(sound, time)
        for queue in self._queues:
            queue.complete()

    def _put(self, sound: list[SoundPacket], time: float) -> None:
        """Empty `sound`, which is relative to `time`."""
        for packet in sound:
            placed = SoundPacket(packet.data, packet.time + time, packet.duration, packet.format)
            for queue in self._queues:
                queue.put(placed)
        sound.clear()
