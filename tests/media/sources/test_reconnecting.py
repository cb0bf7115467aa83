"""A source that becomes unavailable and available, with scripted sessions and a fake clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice, pairwise
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import SourceError, SourceReason
from flowrun.frame import Frame, VideoInfo
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.spec.flow import Reconnect, SourceSpec

LIMIT = 30.0  # seconds, a guard against hanging
CAMERA = "rtsp://user:pw@camera/1"
LIVE = VideoInfo(4, 2, live=True)
FILE = VideoInfo(4, 2, duration=1.0)
STEADY = Reconnect(jitter=False)
REASONS = get_args(SourceReason)
IMAGE = np.zeros((2, 4, 3), np.uint8)


@dataclass
class FakeSession:
    """One session: what `open` returns or raises, `frames` a tenth of a second apart, its end."""

    opens: VideoInfo | SourceError | None = LIVE
    frames: int = 3
    ends: SourceError | None = None
    stall: float = 0.0  # seconds from the last frame to the end
    start: float = 0.0  # presentation time of the first frame
    on_open: Callable[[], object] = lambda: None
    on_end: Callable[[], object] = lambda: None
    clock: Any = None
    stopped: int = 0
    closed: int = 0

    def open(self) -> VideoInfo | None:
        self.on_open()
        if isinstance(self.opens, SourceError):
            raise self.opens
        return None if self.stopped else self.opens

    def __iter__(self) -> Iterator[Frame]:
        for n in range(self.frames):
            if self.stopped:
                return
            yield Frame(IMAGE, n, self.start + n / 10, 0.1, self.clock.now)
            self.clock.now += 0.1
        self.clock.now += self.stall
        self.on_end()
        if self.ends is not None:
            raise self.ends

    def stop(self) -> None:
        self.stopped += 1

    def close(self) -> None:
        self.stop()
        self.closed += 1


@dataclass
class Burst(FakeSession):
    """All frames at once, but for those that are `late` by so many seconds."""

    late: dict[int, float] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Frame]:
        for n in range(self.frames):
            self.clock.now += self.late.get(n, 0.0)
            yield Frame(IMAGE, n, self.start + n / 10, 0.1, self.clock.now)


@dataclass
class World:
    """A source made of `sessions`; `waits` are its pauses between them."""

    sessions: Sequence[FakeSession]
    uri: str = CAMERA
    reconnect: Reconnect = STEADY
    keys: dict[str, Any] = field(default_factory=dict)
    on_wait: Callable[[], object] = lambda: None
    now: float = 1000.0
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        spec = SourceSpec(self.uri, reconnect=self.reconnect, **self.keys)
        self.made = 0
        self.source = ReconnectingSource(spec, self.make, lambda: self.now, self.wait)

    def make(self) -> FakeSession:
        session = self.sessions[self.made]
        session.clock = self
        self.made += 1
        return session

    def wait(self, stopped: threading.Event, seconds: float) -> bool:
        self.on_wait()
        if not stopped.is_set():
            self.waits.append(seconds)
            self.now += seconds
        return stopped.is_set()

    def play_until(self, frames: int) -> list[Frame]:
        """The first `frames` frames."""
        self.source.open()
        try:
            return list(islice(self.source, frames))
        finally:
            self.source.close()

    def play(self) -> list[Frame]:
        """Open, read to the end and close; frames before an error are in `self.got`."""
        self.got: list[Frame] = []
        try:
            if self.source.open() is not None:
                for frame in self.source:
                    self.got.append(frame)
        finally:
            self.source.close()
            unclosed = [session for session in self.sessions[: self.made] if not session.closed]
            assert unclosed == []
        return self.got


def error(reason: Any = "failed", message: str = "gone") -> SourceError:
    return SourceError(message, reason=reason)


# --- at the start


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("startup", ["auto", "wait", "fail"])
@pytest.mark.parametrize(
    "uri", [CAMERA, "rtmp://host/live", "http://host/a.mp4", "camera:0", "a.mp4"]
)
def test_startup_decides_whether_to_wait_for_an_unavailable_source(
    uri: str, startup: str, reason: SourceReason
) -> None:
    passing = reason in ("not found", "refused", "timed out", "failed")
    passing = passing or (reason == "no video" and uri.startswith("rtmp"))  # only sound so far
    network = uri.startswith(("rtsp", "http", "rtmp"))
    waits = startup == "wait" or (startup == "auto" and network and passing)
    sessions = [FakeSession(error(reason)), FakeSession(error(reason)), FakeSession(FILE)]
    world = World(sessions, uri, keys={"startup": startup})
    if waits:
        assert len(world.play()) == 3
        assert world.waits == [1.0, 2.0]
        assert world.source.reconnects == 0  # it was not available before
    else:
        with pytest.raises(SourceError) as raised:
            world.play()
        assert raised.value is sessions[0].opens
        assert (world.made, world.waits) == (1, [])


def test_the_same_error_is_logged_once(caplog: Any) -> None:
    failures = [error("refused", "no"), error("refused", "no"), error("timed out", "silent")]
    World([*map(FakeSession, failures), FakeSession(FILE)]).play()
    assert caplog.messages == ["source: no; trying again", "source: silent; trying again"]


def test_a_reason_that_is_not_transient_ends_the_wait() -> None:
    world = World(
        [FakeSession(error("refused")), FakeSession(error("unauthorised", "who are you"))]
    )
    with pytest.raises(SourceError, match=r"^source: who are you$"):
        world.play()
    assert world.waits == [1.0]


def test_the_wait_at_startup_ends_with_give_up_after() -> None:
    reconnect = Reconnect(jitter=False, give_up_after=6.5)
    world = World([FakeSession(error("refused", "no server"))] * 9, reconnect=reconnect)
    with pytest.raises(SourceError) as raised:
        world.play()
    assert str(raised.value) == (
        "source: no server\n  gave up after 6.5 s, the value of `source.reconnect.give_up_after`"
    )
    assert raised.value.reason == "refused"
    assert world.waits == [1.0, 2.0, 4.0]


# --- ends


def test_a_source_whose_frames_arrive_in_bursts_is_paced_by_their_times() -> None:
    segmented = replace(LIVE, timing="bursts")
    world = World([Burst(segmented, frames=20), Burst(segmented, frames=20)])
    frames = world.play_until(40)
    assert frames[0].captured == 1000.0
    first, second = frames[:20], frames[20:]
    for part in (first, second):
        wanted = [part[0].captured + n / 10 for n in range(20)]
        assert [frame.captured for frame in part] == pytest.approx(wanted)
        assert [frame.time - part[0].time for frame in part] == pytest.approx(
            [n / 10 for n in range(20)]
        )


def test_after_a_stall_a_bursty_source_is_paced_anew() -> None:
    segmented = replace(LIVE, timing="bursts")
    world = World([Burst(segmented, frames=20, late={5: 3.0})])
    captured = [frame.captured for frame in world.play_until(20)]
    steps = [b - a for a, b in pairwise(captured)]
    assert steps[4] == pytest.approx(3.0)
    assert steps[:4] + steps[5:] == pytest.approx([0.1] * 18)


def test_a_file_ends_with_its_session_and_its_times_start_at_zero() -> None:
    world = World([FakeSession(FILE, frames=5, start=7.5)], "a.mp4")
    frames = world.play()
    assert [frame.time for frame in frames] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert [frame.index for frame in frames] == list(range(5))
    assert (world.made, world.source.reconnects) == (1, 0)


@pytest.mark.parametrize("on_loss", ["freeze", "placeholder", "stop"])
def test_a_file_that_fails_ends_after_its_last_good_frame(on_loss: str) -> None:
    broken = error(message="torn")
    world = World([FakeSession(FILE, ends=broken)], "a.mp4", keys={"on_loss": on_loss})
    with pytest.raises(SourceError) as raised:
        world.play()
    assert raised.value is broken
    assert (len(world.got), world.made) == (3, 1)


@pytest.mark.parametrize("last", [8.7, 9.0, 9.7])
def test_a_stream_of_known_length_is_only_complete_near_its_end(last: float, caplog: Any) -> None:
    caplog.set_level("INFO")
    known = VideoInfo(4, 2, duration=9.95, live=True)
    over = FakeSession(known, frames=11, start=last - 1.0)
    world = World([over, FakeSession(known, frames=2, start=9.0)])
    world.play()
    assert world.made == (1 if last > 8.95 else 2)
    assert caplog.messages[-1] == "source: rtsp://***@camera/1 ended at its length, 9.95 s"


# --- unavailable and available again


def test_a_live_source_that_ends_or_fails_is_reopened(caplog: Any) -> None:
    caplog.set_level("INFO", "flowrun")
    world = World([
        FakeSession(),
        FakeSession(error("refused", "no")),
        FakeSession(error("refused", "no")),
        FakeSession(frames=2),
        FakeSession(frames=4, ends=error(message="torn")),
        FakeSession(VideoInfo(4, 2, 0.1, 0.1, live=True)),
    ])  # fmt: skip
    world.sessions[4].start = 5e4
    frames = world.play()
    assert [frame.index for frame in frames] == list(range(12))
    assert all(before.time < after.time for before, after in pairwise(frames))
    assert world.source.reconnects == 3
    assert world.waits == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert caplog.messages == [
        "source: rtsp://***@camera/1 ended",
        "source: no; trying again",
        "source: rtsp://***@camera/1 is available again",
        "source: rtsp://***@camera/1 ended",
        "source: rtsp://***@camera/1 is available again",
        "source: torn",
        "source: rtsp://***@camera/1 is available again",
        "source: rtsp://***@camera/1 ended at its length, 0.1 s",
    ]


@pytest.mark.parametrize("start", [7.0, 100.5, 1e6])
def test_the_time_line_continues_by_the_duration_of_the_outage(start: float) -> None:
    world = World(
        [FakeSession(start=100.0), FakeSession(error("refused")), FakeSession(start=start)]
    )
    world.sessions[2].on_end = world.source.stop
    times = [frame.time for frame in world.play()]
    assert world.waits == [1.0, 2.0]
    assert times == pytest.approx([0.0, 0.1, 0.2, 3.3, 3.4, 3.5])


def test_unavailable_since_is_set_until_the_next_frame() -> None:
    seen: list[datetime | None] = []
    world = World([FakeSession(), FakeSession(), FakeSession(frames=0)])

    def look() -> None:
        seen.append(world.source.unavailable_since)

    def look_and_stop() -> None:
        look()
        world.source.stop()

    world.sessions[0].on_end = world.sessions[1].on_open = world.sessions[1].on_end = look
    world.sessions[2].on_open = look_and_stop
    world.on_wait = look
    world.play()
    before, pausing, opening, back, pausing_again, still = seen
    assert (before, back) == (None, None)
    assert pausing is not None
    assert pausing == opening
    assert pausing_again == still
    assert still is not None
    assert still >= pausing


def test_unavailable_s_counts_the_wait_at_startup_and_every_outage() -> None:
    world = World(
        [
            FakeSession(error("refused")),
            FakeSession(error("refused")),
            FakeSession(ends=error("failed")),
            FakeSession(error("refused")),
            FakeSession(),
        ],
        keys={"startup": "wait"},
    )
    seen: list[float] = []

    def look_and_stop() -> None:
        seen.append(world.source.unavailable_s)
        world.source.stop()

    world.sessions[2].on_open = lambda: seen.append(world.source.unavailable_s)
    world.sessions[2].on_end = lambda: seen.append(world.source.unavailable_s)
    world.sessions[4].on_end = look_and_stop
    world.play()
    assert world.waits == [1.0, 2.0, 4.0, 8.0]
    assert seen == pytest.approx([3.0, 3.0, 3.0 + 12.0])


def test_only_a_session_with_frames_for_long_enough_resets_the_delays() -> None:
    def session(frames: int, stall: float = 0.0) -> FakeSession:
        return FakeSession(frames=frames, stall=stall)

    world = World([session(1), session(98), session(103), session(1, stall=60.0), session(0)])
    world.sessions[4].on_open = world.source.stop
    world.play()
    assert world.waits == [1.0, 2.0, 1.0, 2.0]


def test_give_up_after_ends_a_run_of_sessions_that_only_stall() -> None:
    reconnect = Reconnect(1.0, 1.0, jitter=False, healthy_after=2.0, give_up_after=30.0)
    stalled = error("timed out", "no frame for 5 s")
    world = World([FakeSession(frames=1, stall=5.0, ends=stalled) for _ in range(9)],
                  reconnect=reconnect)  # fmt: skip
    with pytest.raises(SourceError) as raised:
        world.play()
    assert str(raised.value) == (
        "source: no frame for 5 s\n"
        "  gave up after 30 s, the value of `source.reconnect.give_up_after`"
    )
    assert raised.value.reason == "timed out"
    assert raised.value.__cause__ is stalled
    assert len(world.got) == world.made == 6
    assert world.source.unavailable_since is not None


@pytest.mark.parametrize("reason", REASONS)
def test_after_the_first_session_every_reason_is_retried(reason: SourceReason) -> None:
    world = World([FakeSession(ends=error(reason)), FakeSession(error(reason)), FakeSession()])
    world.sessions[2].on_end = world.source.stop
    assert len(world.play()) == 6


@pytest.mark.parametrize(
    ("ends", "text"), [(None, "source: rtsp://***@camera/1 ended"), (error(), "source: gone")]
)
def test_on_loss_stop_raises_after_the_last_good_frame(ends: Any, text: str) -> None:
    world = World([FakeSession(ends=ends)], keys={"on_loss": "stop"})
    with pytest.raises(SourceError) as raised:
        world.play()
    assert str(raised.value) == text
    assert (len(world.got), world.made, world.waits) == (3, 1, [])


def test_an_error_other_than_source_error_is_not_retried() -> None:
    def bug() -> None:
        raise ZeroDivisionError("bug")

    world = World([FakeSession(on_end=bug)])
    with pytest.raises(ZeroDivisionError, match="bug"):
        world.play()
    assert world.made == 1


@given(
    st.lists(
        st.tuples(st.sampled_from(["frames", "refused"]), st.integers(0, 5), st.floats(-1e4, 1e4)),
        max_size=12,
    )
)
def test_over_any_sessions_frames_are_numbered_and_their_times_increase(script: Any) -> None:
    sessions = [
        FakeSession(error("refused") if what == "refused" else LIVE, frames, start=start)
        for what, frames, start in script
    ]
    end = FakeSession(frames=0)
    world = World([FakeSession(), *sessions, end])
    end.on_open = world.source.stop
    frames = world.play()
    opened = [session for session in sessions if session.opens is LIVE]
    assert [frame.index for frame in frames] == list(range(3 + sum(s.frames for s in opened)))
    assert all(before.time < after.time for before, after in pairwise(frames))
    assert world.source.reconnects == len(opened)
    assert world.waits == [min(2.0**n, 30.0) for n in range(len(sessions) + 1)]


# --- stopped


def test_a_source_that_is_stopped_first_opens_nothing() -> None:
    world = World([FakeSession()])
    world.source.stop()
    assert world.source.open() is None
    assert list(world.source) == []
    world.source.close()
    assert world.made == 0


@pytest.mark.parametrize("opens", [None, LIVE, error("codec"), error("refused")])
def test_stop_ends_the_opening_whatever_its_result(opens: Any) -> None:
    world = World([FakeSession(opens)])
    world.sessions[0].on_open = world.source.stop
    assert world.play() == []
    assert (world.made, world.waits) == (1, [])


def test_stop_ends_the_pause_before_the_first_session() -> None:
    world = World([FakeSession(error("refused"))])
    world.on_wait = world.source.stop
    assert world.play() == []
    assert world.made == 1


def test_stop_ends_the_pause_between_two_sessions() -> None:
    world = World([FakeSession(ends=error())])
    world.on_wait = world.source.stop
    assert len(world.play()) == 3
    assert world.made == 1


@pytest.mark.parametrize("opens", [None, error("codec"), error("refused")])
def test_stop_ends_the_opening_of_another_session(opens: Any) -> None:
    world = World([FakeSession(), FakeSession(opens)])
    world.sessions[1].on_open = world.source.stop
    assert len(world.play()) == 3
    assert (world.made, world.source.reconnects) == (2, 0)


@pytest.mark.parametrize("info", [LIVE, FILE])
@pytest.mark.parametrize("on_loss", ["freeze", "stop"])
@pytest.mark.parametrize("ends", [None, error("timed out")])
def test_stop_ends_the_iteration_normally_however_the_session_ends(
    info: VideoInfo, on_loss: str, ends: Any
) -> None:
    reconnect = Reconnect(jitter=False, give_up_after=0.001)
    world = World([FakeSession(info, ends=ends)], reconnect=reconnect, keys={"on_loss": on_loss})
    world.sessions[0].on_end = world.source.stop
    assert len(world.play()) == 3
    assert (world.made, world.waits) == (1, [])


def test_stop_between_two_frames_ends_after_the_one() -> None:
    world = World([FakeSession()])
    world.source.open()
    frames = iter(world.source)
    next(frames)
    world.source.stop()
    assert list(frames) == []
    world.source.close()
    world.source.close()
    assert world.sessions[0].closed


def test_stop_from_another_thread_ends_a_pause_at_once() -> None:
    waiting = threading.Event()
    session = FakeSession(error("refused"))

    def wait(stopped: threading.Event, seconds: float) -> bool:
        waiting.set()
        return stopped.wait(LIMIT)

    spec = SourceSpec(CAMERA, reconnect=Reconnect(initial=3600.0, maximum=3600.0))
    source = ReconnectingSource(spec, lambda: session, wait=wait)
    opened: list[Any] = []
    opener = threading.Thread(target=lambda: opened.append(source.open()))
    opener.start()
    assert waiting.wait(LIMIT)
    source.stop()
    opener.join(LIMIT)
    assert opened == [None]
    source.close()
