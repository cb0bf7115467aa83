"""One fate per frame, whatever several sinks do with it; and the queue of each sink."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.chain.fan_out import FanOut, SinkBranch, queue_for, recount
from flowrun.errors import SinkError, SinkUnavailableError
from flowrun.frame import Frame
from flowrun.ledger.fates import Fate
from flowrun.ledger.ledger import Ledger
from flowrun.media.when import When
from flowrun.spec.flow import BackpressureSpec, Flow, SinkSpec, SourceSpec, TransportSpec
from tests.testbed.virtual_time import VirtualTime

IMAGE = np.zeros((2, 2, 3), np.uint8)


class Sink:
    """A sink that does with a frame what the test has set."""

    def __init__(self, key: str = "sink") -> None:
        self.next: str = "accept"
        self.key = key
        self.written: list[int] = []

    def write(self, frame: Frame) -> None:
        self.written.append(frame.index)
        if self.next == "unavailable":
            raise SinkUnavailableError("not now", key=self.key)
        if self.next == "fail":
            raise SinkError("no space left", key=self.key)
        if self.next == "bug":
            raise ZeroDivisionError("bug")

    def close(self) -> None: ...
    def abort(self) -> None: ...


class Live(Sink):
    every, repeated, reconnects = 0.1, 5, 2
    address, unavailable_since, unavailable_s = "somewhere", None, 0.0

    def __init__(self, key: str = "sink") -> None:
        super().__init__(key)
        self.ticks = 0
        self.error: Exception | None = None

    def tick(self) -> None:
        self.ticks += 1
        if self.error is not None:
            raise self.error


class World:
    """`count` sinks and a ledger."""

    def __init__(self, count: int, sink: type[Sink] = Sink) -> None:
        self.now = 100.0
        self.ledger = Ledger(lambda: self.now)
        self.fates: list[Fate] = []
        self.ledger.on_fate(self.fates.append)
        self.sinks = [sink(f"sink[{n}]") for n in range(count)]
        self.each = [SinkBranch(f"sink[{n}]", one) for n, one in enumerate(self.sinks)]
        self.fan_out = FanOut(self.ledger, self.each)

    def offer(self, index: int) -> Frame:
        frame = Frame(IMAGE, index, index / 30, 1 / 30, self.now)
        self.ledger.captured(frame)
        self.fan_out.offer(frame)
        return frame

    def act(self, sink: int, frame: Frame, what: str) -> None:
        if what == "drop":
            self.fan_out.drop(self.each[sink], frame)
        else:
            self.sinks[sink].next = what
            assert self.fan_out.write(self.each[sink], frame) is frame

    @property
    def fate(self) -> list[tuple[int, str, str | None]]:
        return [(fate.index, fate.fate, fate.cause) for fate in self.fates]

    @property
    def undecided(self) -> int:
        return len(self.fan_out._undecided)


class File(Sink):
    missing = 0


@pytest.mark.parametrize(
    ("missing", "delivered"), [((3,), 7), ((10,), 0), ((3, 0), 10), ((4, 6), 6)]
)
def test_a_frame_that_is_in_no_file_after_all_has_failed(
    missing: tuple[int, ...], delivered: int
) -> None:
    world = World(len(missing), File)
    for index in range(10):
        offered = world.offer(index)
        for sink in range(len(missing)):
            world.act(sink, offered, "accept")
    for file, number in zip(world.sinks, missing, strict=True):
        file.missing = number  # type: ignore[attr-defined]
    recount(world.ledger, world.each)
    world.ledger.close()
    counts = world.ledger.counts().fates
    assert (counts["delivered"], counts["failed", "sink"]) == (delivered, 10 - delivered)
    assert [(it.delivered, it.failed) for it in world.each] == [(10 - n, n) for n in missing]


def test_a_run_without_sinks_has_nothing_to_recount() -> None:
    world = World(0)
    recount(world.ledger, world.each)
    world.ledger.close()


# --- one sink


@pytest.mark.parametrize(
    ("what", "fate", "counts"),
    [
        ("accept", ("delivered", None), (1, 0, 0)),
        ("drop", ("dropped", "superseded"), (0, 1, 0)),
        ("unavailable", ("failed", "sink"), (0, 0, 1)),
    ],
)
def test_with_one_sink_the_fate_of_a_frame_is_what_the_sink_does(
    what: str, fate: Any, counts: Any
) -> None:
    world = World(1)
    world.act(0, world.offer(0), what)
    (branch,) = world.fan_out
    assert world.fate == [(0, *fate)]
    assert (branch.delivered, branch.dropped, branch.failed) == counts
    assert (world.undecided, world.fan_out.errors) == (0, [])


def test_the_failure_of_the_only_sink_is_raised_after_the_frame_has_its_fate() -> None:
    world = World(1)
    with pytest.raises(SinkError, match=r"^sink\[0\]: no space left$") as raised:
        world.act(0, world.offer(0), "fail")
    assert world.fate == [(0, "failed", "sink")]
    assert world.fan_out.errors == [raised.value]


def test_an_error_that_is_not_of_the_sink_is_raised_unchanged() -> None:
    world = World(2)
    with pytest.raises(ZeroDivisionError, match=r"^bug$"):
        world.act(0, world.offer(0), "bug")
    assert world.fan_out.errors == []
    world.ledger.close()
    assert world.fate == [(0, "aborted", None)]


# --- several


def test_a_frame_is_delivered_when_the_first_sink_accepts_it() -> None:
    world = World(3)
    frame = world.offer(0)
    world.act(1, frame, "unavailable")
    assert world.fate == []
    world.now += 0.25
    world.act(2, frame, "accept")
    assert world.fate == [(0, "delivered", None)]
    assert world.fates[0].took["end_to_end"] == 0.25
    assert world.undecided == 1
    world.act(0, frame, "accept")
    assert (len(world.fates), world.undecided) == (1, 0)


def test_the_time_of_the_stage_is_that_of_the_first_sink_to_accept() -> None:
    world = World(2)
    frame = world.offer(0)

    def slow(frame: Frame) -> None:
        world.now += 0.5

    for sink in world.sinks:
        sink.write = slow  # type: ignore[method-assign]
    world.fan_out.write(world.each[1], frame)
    world.fan_out.write(world.each[0], frame)
    assert world.fates[0].took == {"end_to_end": 0.5, "sink": 0.5}
    assert world.ledger.latencies.mean("sink") == 0.5


def test_a_failed_sink_is_skipped_while_there_are_others(caplog: Any) -> None:
    world = World(3)
    frame = world.offer(0)
    world.act(0, frame, "fail")
    world.act(1, frame, "accept")
    world.act(2, frame, "accept")
    frame = world.offer(1)
    for n in range(3):
        world.act(n, frame, "accept")
    assert world.sinks[0].written == [0]  # and nothing more
    assert (world.each[0].failed, world.each[0].delivered) == (2, 0)
    assert caplog.messages == ["sink[0]: no space left; continuing without it"]
    assert world.fate == [(0, "delivered", None), (1, "delivered", None)]
    assert [str(error) for error in world.fan_out.errors] == ["sink[0]: no space left"]


def test_the_failure_of_the_last_sink_is_raised() -> None:
    world = World(2)
    frame = world.offer(0)
    world.act(1, frame, "fail")
    with pytest.raises(SinkError, match=r"^sink\[0\]: no space left$"):
        world.act(0, frame, "fail")
    assert world.fate == [(0, "failed", "sink")]
    assert [str(error) for error in world.fan_out.errors] == [
        "sink[0]: no space left", "sink[1]: no space left"
    ]  # fmt: skip


@given(data=st.data(), sinks=st.integers(1, 4), frames=st.integers(0, 12))
def test_every_frame_has_one_fate_in_whatever_order_the_sinks_decide(
    data: Any, sinks: int, frames: int
) -> None:
    world = World(sinks)
    waiting: list[list[Frame]] = [[] for _ in range(sinks)]
    made: dict[int, list[str]] = {}
    offered = broken = 0
    while offered < frames or any(waiting):
        choices = [n for n in range(sinks) if waiting[n]] + ([-1] if offered < frames else [])
        sink = data.draw(st.sampled_from(choices))
        if sink < 0:
            frame = world.offer(offered)
            made[offered] = []
            offered += 1
            for queue in waiting:
                queue.append(frame)
            continue
        frame = waiting[sink].pop(0)
        failed = world.each[sink].error is not None
        what = data.draw(st.sampled_from(["accept", "accept", "drop", "unavailable", "fail"]))
        if what == "fail" and not failed:
            broken += 1
            if broken == sinks:
                with pytest.raises(SinkError):
                    world.act(sink, frame, what)
                made[frame.index].append(what)
                break
        world.act(sink, frame, what)
        made[frame.index].append("fail" if failed and what != "drop" else what)

    fates = {fate.index: (fate.fate, fate.cause) for fate in world.fates}
    assert len(fates) == len(world.fates)
    for index, acts in made.items():
        if "accept" in acts:
            assert fates[index] == ("delivered", None)
        elif len(acts) < sinks:
            assert index not in fates
        elif {"unavailable", "fail"} & set(acts):
            assert fates[index] == ("failed", "sink")
        else:
            assert fates[index] == ("dropped", "superseded")
    assert world.undecided == sum(len(acts) < sinks for acts in made.values())
    assert broken == sinks or world.undecided == 0
    every = [act for acts in made.values() for act in acts]
    assert sum(branch.delivered for branch in world.each) == every.count("accept")
    assert sum(branch.dropped for branch in world.each) == every.count("drop")
    assert sum(branch.failed for branch in world.each) == every.count("unavailable") + every.count(
        "fail"
    )
    world.ledger.close()  # raises if the sum is off


# --- live sinks


def test_a_live_sink_ticks_until_it_has_failed() -> None:
    world = World(2, Live)
    first: Any = world.sinks[0]
    world.fan_out.tick(world.each[0])
    first.error = SinkError("window is closed", key="sink[0]")
    for _ in range(3):
        world.fan_out.tick(world.each[0])
    assert first.ticks == 2
    assert world.fan_out.errors == [first.error]
    world.act(0, world.offer(0), "accept")
    assert first.written == []


def test_a_tick_of_an_unavailable_sink_costs_nothing() -> None:
    world = World(1, Live)
    sink: Any = world.sinks[0]
    sink.error = SinkUnavailableError("not now", key="sink[0]")
    world.fan_out.tick(world.each[0])
    sink.error = None
    world.fan_out.tick(world.each[0])
    world.act(0, world.offer(0), "accept")
    assert (sink.ticks, world.fan_out.errors) == (2, [])
    assert world.fate == [(0, "delivered", None)]


def test_the_tick_at_which_the_last_sink_fails_raises() -> None:
    world = World(1, Live)
    world.sinks[0].error = SinkError("window is closed", key="sink")  # type: ignore[attr-defined]
    with pytest.raises(SinkError, match=r"^sink: window is closed$"):
        world.fan_out.tick(world.each[0])


def test_a_sink_that_is_not_live_does_not_tick() -> None:
    world = World(1)
    world.fan_out.tick(world.each[0])
    assert world.fan_out.errors == []


def test_the_summary_of_a_sink_has_its_counts() -> None:
    live = SinkBranch("sink[0]", Live())
    plain = SinkBranch("sink[1]", Sink(), delivered=4, dropped=3, failed=2)
    assert live.counts() == {
        "sink": "sink[0]", "delivered": 0, "dropped": 0, "failed": 0, "repeated": 5, "reconnects": 2
    }  # fmt: skip
    assert plain.counts() == {
        "sink": "sink[1]", "delivered": 4, "dropped": 3, "failed": 2, "repeated": 0, "reconnects": 0
    }  # fmt: skip


# --- selected frames


def selected(frame: Frame, hit: bool) -> Frame:
    return frame.attach(hit=hit)


def test_a_frame_that_a_sink_does_not_select_is_not_written_to_it() -> None:
    world = World(2)
    world.each[0].when = When("hit")
    for index in range(4):
        frame = selected(world.offer(index), hit=index % 2 == 0)
        world.act(0, frame, "accept")
        world.act(1, frame, "accept")
    assert [sink.written for sink in world.sinks] == [[0, 2], [0, 1, 2, 3]]
    assert [branch.delivered for branch in world.each] == [2, 4]
    assert world.fate == [(index, "delivered", None) for index in range(4)]
    assert world.undecided == 0


def test_a_frame_that_no_sink_selects_is_delivered() -> None:
    world = World(1)
    world.each[0].when = When("hit")
    world.act(0, world.offer(0), "accept")
    assert world.fate == [(0, "delivered", None)]
    assert world.sinks[0].written == []


@pytest.mark.parametrize(
    ("what", "fate"),
    [("unavailable", ("failed", "sink")), ("drop", ("dropped", "superseded"))],
)
def test_a_frame_that_the_sink_for_all_frames_does_not_get_is_not_delivered(
    what: str, fate: Any
) -> None:
    world = World(2)
    world.each[0].when = When("hit")
    frame = world.offer(0)
    world.act(0, frame, "accept")
    world.act(1, frame, what)
    assert world.fate == [(0, *fate)]


# --- queues

SINKS = {"null": "null", "video": "a.mp4", "rtsp": "rtsp://h/a", "screen": "screen", "web": "web"}


class RunThreads:
    """Names instead of threads."""

    def __init__(self) -> None:
        self.virtual = VirtualTime()
        self.main = self.virtual.loop("main")

    def thread(self, name: str) -> Any:
        return self.virtual.loop(name)


@pytest.mark.parametrize(
    ("kind", "several", "policy", "queue"),
    [
        ("null", False, "every_frame", None),
        ("video", False, "every_frame", None),
        ("video", False, "latest", None),
        ("rtsp", False, "every_frame", (1, "block", "sink-rtsp")),
        ("rtsp", False, "latest", (1, "block", "sink-rtsp")),
        ("web", False, "latest", (1, "block", "sink-web")),
        ("screen", False, "every_frame", (1, "block", "main")),
        ("screen", False, "bounded_age", (1, "block", "main")),
        ("null", True, "every_frame", (7, "block", "sink-null")),
        ("video", True, "every_frame", (7, "block", "sink-video")),
        ("video", True, "latest", (7, "drop_oldest", "sink-video")),
        ("video", True, "bounded_age", (7, "drop_oldest", "sink-video")),
        ("rtsp", True, "every_frame", (7, "block", "sink-rtsp")),
        ("rtsp", True, "latest", (7, "drop_oldest", "sink-rtsp")),
        ("web", True, "latest", (7, "drop_oldest", "sink-web")),
        ("screen", True, "every_frame", (1, "drop_oldest", "main")),
        ("screen", True, "latest", (1, "drop_oldest", "main")),
    ],
)
def test_the_queue_of_a_sink(kind: str, several: bool, policy: Any, queue: Any) -> None:
    spec = SinkSpec(SINKS[kind])
    flow = Flow(
        name="f",
        source=SourceSpec("in.mp4"),
        transport=TransportSpec(mode="stream", address=("embedded",), model="m"),
        sinks=(spec,),
        backpressure=BackpressureSpec(policy, buffer=7),
    )
    threads: Any = RunThreads()
    found = queue_for(spec, flow, threads, several=several)
    on: Any = found.on if found else None
    assert (found and (found.capacity, found.when_full, on.name)) == queue
