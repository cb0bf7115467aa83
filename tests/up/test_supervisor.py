"""The supervisor in virtual time, with processes that a test ends."""

from __future__ import annotations

import gc
import itertools
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowrun.up.child_lines import report_line
from flowrun.up.children import OnEnd, OnLine
from flowrun.up.flow_set import read_flows
from flowrun.up.member import Member
from flowrun.up.order import Order
from flowrun.up.supervisor import SPACING, Supervisor

TEXT = """
version: 1
source: {source}
transport: {{mode: unary, address: embedded, model: identity}}
sink: {sink}
"""


@dataclass
class FakeChild:
    flow: str
    on_line: OnLine
    on_end: OnEnd
    started: float
    pid: int = 1
    orders: list[str] = field(default_factory=list)

    def stop(self) -> None:
        self.orders.append("stop")

    def abort(self) -> None:
        self.orders.append("abort")

    def kill(self) -> None:
        self.orders.append("kill")


class World:
    """A supervisor, its files and its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.started: list[FakeChild] = []
        self.posted: list[Callable[[], None]] = []
        self.supervisor = Supervisor(
            self, lambda loaded: Order(loaded, ""), self.posted.append, lambda: self.now
        )

    def start(self, order: Order, on_line: OnLine, on_end: OnEnd) -> FakeChild:
        self.started.append(FakeChild(order.loaded.flow.name, on_line, on_end, self.now))
        return self.started[-1]

    def close(self) -> None: ...

    def write(self, name: str, source: str = "rtsp://cam/1", sink: str = "'null'") -> Path:
        path = self.folder / f"{name}.yaml"
        path.write_text(TEXT.format(source=source, sink=sink))
        return path

    def read(self) -> None:
        self.supervisor.update(read_flows([str(self.folder)], {}).entries)

    def act(self) -> None:
        while self.posted:
            self.posted.pop(0)()

    def run_until(self, time: float) -> None:
        """Let virtual time pass."""
        while True:
            self.act()
            wait = self.supervisor.step()
            if wait is None or self.now + wait > time:
                self.now = time
                return
            self.now += wait

    def end(self, child: FakeChild, code: int) -> None:
        child.on_end(code)
        self.act()

    def running(self, child: FakeChild) -> None:
        child.on_line(report_line({"port": 1}))
        child.on_line(report_line({"running": True, "live": True}))
        self.act()

    def member(self, name: str) -> Member:
        return self.supervisor.members[self.folder / f"{name}.yaml"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_flows_are_started_one_after_the_other(world: World) -> None:
    for name in "abc":
        world.write(name)
    world.read()
    world.run_until(5)
    assert [(child.flow, child.started) for child in world.started] == [
        ("a", 0),
        ("b", SPACING),
        ("c", 2 * SPACING),
    ]


def test_a_thousand_restarts_follow_the_back_off_and_leave_nothing_behind(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "flowrun")
    world.write("a")
    world.read()
    times, objects = [], 0
    for restart in range(1001):
        world.run_until(world.now + 31)
        child = world.started.pop()
        times.append(child.started)
        ended = world.now = child.started + 0.5
        world.end(child, 1)
        assert not world.started
        assert world.member("a").due == ended + min(2**restart, 30)
        del child
        if restart == 100:
            gc.collect()
            objects = len(gc.get_objects())
    gaps = [round(after - before, 6) for before, after in itertools.pairwise(times)]
    assert gaps == [1.5, 2.5, 4.5, 8.5, 16.5, *([30.5] * 995)]
    gc.collect()
    assert len(gc.get_objects()) - objects < 1000
    assert world.member("a").starts == 1001


def test_ten_healthy_seconds_begin_the_back_off_anew(world: World) -> None:
    world.write("a")
    world.read()
    for _ in range(3):
        world.run_until(world.now + 31)
        world.end(world.started[-1], 1)
    world.run_until(world.now + 31)
    world.running(world.started[-1])
    world.now += 10
    world.end(world.started[-1], 1)
    assert world.member("a").due == world.now + 1


def test_a_start_that_takes_long_and_fails_is_no_health(world: World) -> None:
    world.write("a")
    world.read()
    for delay in (1, 2, 4):
        world.run_until(world.now + 31)
        world.now += 60
        world.end(world.started[-1], 1)
        assert world.member("a").due == world.now + delay


def test_a_recording_that_has_ended_is_done(world: World) -> None:
    world.write("a", source="a.mp4")
    world.read()
    world.run_until(1)
    world.end(world.started[-1], 0)
    assert world.supervisor.finished
    assert world.member("a").state == "ended"


def test_a_flow_with_an_error_of_its_own_is_given_up_and_the_others_go_on(world: World) -> None:
    world.write("a")
    world.write("b")
    world.read()
    world.run_until(1)
    world.end(world.started[0], 78)
    world.run_until(100)
    assert (world.member("a").state, world.member("a").exit_code) == ("failed", 78)
    assert len(world.started) == 2
    assert world.started[1].orders == []


def test_an_invalid_flow_touches_no_other(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.write("a")
    world.write("b").write_text("version: 1\nsource: 3\nlimts: {}\n")
    world.read()
    world.run_until(1)
    assert [child.flow for child in world.started] == ["a"]
    assert world.member("b").state == "invalid"
    (record,) = (each for each in caplog.records if "limts" in each.getMessage())
    assert (record.levelname, record.__dict__["flow"]) == ("ERROR", "b")


def test_only_a_flow_that_has_changed_is_restarted_at_once(world: World) -> None:
    world.write("a")
    world.write("b")
    world.read()
    world.run_until(1)
    first, other = world.started
    world.write("a", source="rtsp://cam/2")
    world.read()
    assert (first.orders, other.orders) == (["stop"], [])
    world.end(first, 0)
    world.run_until(world.now + SPACING)
    assert [child.flow for child in world.started] == ["a", "b", "a"]
    loaded = world.member("a").loaded
    assert loaded is not None
    assert loaded.flow.source.uri == "rtsp://cam/2"


def test_a_comment_is_no_change(world: World) -> None:
    path = world.write("a")
    world.read()
    world.run_until(1)
    path.write_text(f"# new\n{path.read_text()}")
    world.read()
    assert world.started[0].orders == []


def test_a_broken_new_version_leaves_the_old_one_running_and_restarting(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    path = world.write("a")
    world.read()
    world.run_until(1)
    path.write_text("version: 1\nsource: [")
    world.read()
    world.read()
    assert world.started[0].orders == []
    assert [each.getMessage() for each in caplog.records if "former" in each.getMessage()] == [
        "the former version stays in use"
    ]
    world.end(world.started[0], 1)
    world.run_until(10)
    assert len(world.started) == 2


def test_files_that_come_and_go_start_and_stop_flows(world: World) -> None:
    gone = world.write("a")
    world.read()
    world.run_until(1)
    gone.unlink()
    world.write("b")
    world.read()
    world.run_until(2)
    assert world.started[0].orders == ["stop"]
    assert world.started[1].flow == "b"
    world.end(world.started[0], 0)
    assert [each.name for each in world.supervisor.members.values()] == ["b"]


def test_a_file_that_is_back_before_its_process_has_ended_is_started_again(world: World) -> None:
    world.write("a")
    world.read()
    world.run_until(1)
    world.supervisor.update([])
    world.read()
    world.end(world.started[0], 0)
    world.run_until(2)
    assert len(world.started) == 2


def test_a_file_that_is_added_does_not_take_the_name_of_a_running_flow(world: World) -> None:
    world.write("b")
    world.read()
    world.run_until(1)
    added = world.write("a")
    added.write_text(f"{added.read_text()}name: b\n")
    world.read()
    world.run_until(2)
    assert len(world.started) == 1
    assert f"the name 'b' is also that of {world.folder}" in world.member("a").problem


def test_stop_lets_nothing_start_and_ends_with_the_last_process(world: World) -> None:
    world.write("a")
    world.write("b")
    world.read()
    world.run_until(SPACING)
    world.end(world.started[1], 1)
    world.supervisor.stop()
    assert world.started[0].orders == ["stop"]
    assert not world.supervisor.finished
    world.end(world.started[0], 0)
    assert world.supervisor.finished


def test_a_process_that_does_not_end_is_killed(world: World) -> None:
    world.write("a")
    world.read()
    world.run_until(1)
    world.supervisor.stop()
    world.run_until(49)  # its own deadline is 40 s
    assert world.started[0].orders == ["stop"]
    world.run_until(52)
    assert world.started[0].orders == ["stop", "kill"]


def test_a_process_that_does_not_abort_is_killed_earlier(world: World) -> None:
    world.write("a")
    world.read()
    world.run_until(1)
    world.supervisor.stop()
    world.supervisor.abort()
    world.run_until(6)
    assert world.started[0].orders == ["stop", "abort", "kill"]


def test_the_lines_of_a_process_are_logged_with_its_name(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flowrun")
    world.write("a")
    world.read()
    world.run_until(1)
    world.started[0].on_line(json.dumps({"level": "warning", "message": "slow"}))
    world.started[0].on_line("printed by a hook")
    logged = [(r.levelname, r.__dict__.get("flow"), r.getMessage()) for r in caplog.records[-2:]]
    assert logged == [("WARNING", "a", "slow"), ("INFO", "a", "printed by a hook")]


def test_a_process_that_cannot_be_started_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> FakeChild:
        raise BlockingIOError("no more processes")

    world.write("a")
    with monkeypatch.context() as patch:
        patch.setattr(world.supervisor._launcher, "start", fail)
        world.read()
        world.run_until(0.5)
    world.run_until(2)
    assert len(world.started) == 1


def test_a_flow_that_failed_for_good_is_tried_again_on_request(world: World) -> None:
    world.write("a")
    world.read()
    world.run_until(1)
    world.end(world.started[0], 78)
    entries = read_flows([str(world.folder)], {}).entries
    world.supervisor.update(entries)
    world.run_until(2)
    assert len(world.started) == 1
    world.supervisor.update(entries, retry=True)
    world.run_until(3)
    assert len(world.started) == 2
