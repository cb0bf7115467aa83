"""RTSP in, a model server between, RTSP out; and each of the three becomes unavailable."""

from __future__ import annotations

import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.process import until
from tests.testbed.rtsp import read_stamps

LIMIT = 110  # seconds; a guard against hanging
AWAY = 5.0  # seconds for which a server is gone
FPS = 30
JUMP = 0.6  # seconds; a busy machine may delay an uninterrupted stream for this long
RECONNECT = "reconnect: {initial: 200ms, maximum: 1s}"


@dataclass
class World:
    """Everything that a live flow needs; the source is `/live` of one server, the sink
    `/record/out` of another."""

    source: Any
    destination: Any
    model: Any
    begin: Callable[..., Any]
    metrics: str  # address

    def missing(self) -> set[str]:
        """The parts that the run itself finds missing, by their keys of the flow."""
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            urllib.request.urlopen(f"http://{self.metrics}/readyz", timeout=LIMIT)
        with caught.value as answer:
            said = answer.read().decode()
        assert re.fullmatch(r"([a-z]+: \S+ is unavailable since \d\d:\d\d:\d\d\n)+", said)
        return {line.partition(":")[0] for line in said.splitlines()}

    def recordings(self) -> list[Path]:
        return [path for path in self.destination.recordings("out") if path.stat().st_size]

    def until_recorded(self, count: int = 1) -> None:
        """Wait until the recording of the session `count` grows."""

        def is_growing() -> bool:
            found = self.recordings()
            return len(found) >= count and found[-1].stat().st_size >= 20_000

        until(is_growing, "nothing is recorded")


@pytest.fixture
def world(rtsp_server: Any, model_server: Any, running: Any, flow: Any, free_address: Any) -> World:
    metrics = free_address()
    source, destination, model = rtsp_server(), rtsp_server(), model_server

    def begin(*, source_keys: str = "", sink: str = "{rtsp}", **keys: Any) -> Any:
        rtsp = f"{{uri: '{destination.url('record/out')}', {RECONNECT}}}"
        uri = source.url(keys.pop("mount", "live"))
        path = flow(
            source=f"{{uri: '{uri}', read_timeout: 2s, {RECONNECT}{source_keys}}}",
            transport=f"{{mode: stream, address: '{model.address}', model: identity}}",
            sink=sink.replace("{rtsp}", rtsp),
            **{"limits": None, "metrics": metrics, **keys},
        )
        return running(path)

    return World(source, destination, model, begin, metrics)


@pytest.fixture
def up(world: World) -> World:
    """All three are there."""
    for server in (world.source, world.destination, world.model):
        server.start()
    return world


def made(picture: Any) -> int:
    return int(picture.made)


def test_a_minute_of_live_input_is_a_minute_of_output(up: World) -> None:
    live = up.begin(limits="{duration: 60s}")
    code, summary, said = live.ends(LIMIT)
    assert code == 0, said
    (recording,) = up.recordings()
    pictures = read_stamps(recording)
    shown = [picture.shown / 1000 for picture in pictures]
    # The first frame is the first picture. Until the server has accepted the stream frames are
    # superseded: they are missing, but not their time.
    assert 60 - JUMP <= shown[-1] - shown[0] <= 60 + 1 / FPS
    assert summary["dropped"]["superseded"] <= 0.05 * summary["captured"]
    # On a busy machine the camera of the server itself does not make every picture.
    assert 0.95 * 60 * FPS <= summary["captured"] <= 60 * FPS + 2
    numbers = [picture.number for picture in pictures]
    assert all(0 <= (b - a) % 65536 < 100 for a, b in pairwise(numbers))
    assert max(b - a for a, b in pairwise(shown)) < JUMP
    # When a picture is shown for the first time is when it was made, over the whole minute.
    first = dict(reversed([(picture.number, picture) for picture in pictures]))
    begin, end = min(first.values(), key=made), max(first.values(), key=made)
    assert end.shown - begin.shown == pytest.approx(end.made - begin.made, abs=2000 / FPS)
    late = [picture.shown - picture.made for picture in first.values()]
    steady = sorted(value - late[-1] for value in late)
    assert max(abs(value) for value in steady[len(steady) // 10 : -len(steady) // 10]) < 2000 / FPS


@pytest.mark.parametrize("gone", ["source", "destination", "model", "all three"])
def test_a_server_may_be_unavailable_for_a_while(up: World, gone: str) -> None:
    names = ["source", "destination", "model"] if gone == "all three" else [gone]
    live = up.begin(limits="{duration: 15s}")
    up.until_recorded()
    for name in names:
        getattr(up, name).kill()
    time.sleep(AWAY)  # the outage itself
    missing = {"source": "source", "destination": "sink", "model": "transport"}
    # Without a source nothing is sent, so that a model server may be missing unnoticed.
    assert up.missing() - ({"transport"} if gone == "all three" else set()) == {
        missing[name] for name in names if name == gone or name != "model"
    }
    for name in names:
        getattr(up, name).start()
    code, summary, said = live.ends()
    assert code == 0, said
    reconnects = summary["reconnects"]
    assert reconnects["source"] == ("source" in names)
    assert reconnects["sink"] == ("destination" in names)
    assert (reconnects["transport"] >= 1) == ("model" in names)
    spans, steps = [], []
    for recording in up.recordings():
        shown = [p.shown / 1000 for p in read_stamps(recording, others=True)]
        spans.append(shown[-1] - shown[0])
        steps += [b - a for a, b in pairwise(shown)]
    assert len(spans) == (2 if "destination" in names else 1)
    assert max(steps) < JUMP
    lost = AWAY + 4 if "destination" in names else 0  # what the destination was not there for
    assert 15 - lost - JUMP <= sum(spans) <= 15 + JUMP
    if "destination" not in names:
        assert summary["repeated"] >= AWAY * FPS / 2  # the last picture stood for the others
    if "destination" in names and gone != "all three":
        assert summary["failed"]["sink"] > 0
    if gone == "model":
        assert summary["failed"]["transport"] > 0


def test_a_stalled_source_is_detected_and_replaced_by_a_placeholder(up: World) -> None:
    live = up.begin(source_keys=", on_loss: placeholder", limits="{duration: 12s}")
    up.until_recorded()
    up.source.pause()
    stalled = time.monotonic()
    live.until_logged(r"source: \S+ gave no frame for 2 s after \d+ frames")
    assert 1.5 < time.monotonic() - stalled < 10
    up.source.resume()
    live.until_logged(r"source: \S+ is available again")
    code, summary, said = live.ends()
    assert code == 0, said
    assert summary["reconnects"]["source"] >= 1
    (recording,) = up.recordings()
    readable = [p.shown / 1000 for p in read_stamps(recording, others=True)]
    assert max(b - a for a, b in pairwise(readable)) > 0.2  # there are others between
    with pytest.raises(ValueError, match="no stamp"):
        read_stamps(recording)


def test_with_on_loss_stop_the_run_ends_after_the_last_good_frame(up: World) -> None:
    live = up.begin(source_keys=", on_loss: stop", sink="out.mkv")
    live.until_logged("backpressure: latest, as the source is live")
    (out,) = [live.folder / "out.part.mkv"]
    until(lambda: out.exists() and out.stat().st_size > 20_000, "nothing is written")
    up.source.kill()
    code, summary, said = live.ends()
    assert code == 1
    assert re.search(r"flow.yaml:2:1: error: source: rtsp://\S+/live ended", said)
    assert summary["delivered"] > 0
    assert (live.folder / "out.mkv").exists()


def test_a_run_waits_for_a_source_that_is_not_yet_available(world: World, probe: Any) -> None:
    world.model.start()
    live = world.begin(sink="out.mkv", limits="{frames: 30}")
    live.until_logged(r"cannot be read: .*Connection refused; trying again")
    world.source.start()
    code, summary, said = live.ends()
    assert (code, summary["captured"]) == (0, 30), said
    assert len(probe(live.folder / "out.mkv").times) == summary["delivered"]


def test_a_wrong_password_ends_the_run_at_once_and_is_not_shown(world: World) -> None:
    world.source.start()
    world.model.start()
    world.source.url = lambda _: f"rtsp://viewer:hunter2@127.0.0.1:{world.source.port}/secret"
    code, summary, said = world.begin(sink="null").ends()
    assert (code, summary["captured"]) == (1, 0)
    assert "401 Unauthorized" in said
    assert "hunter2" not in said


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="reads Linux's /proc")
def test_a_password_is_in_no_process_list_while_its_stream_plays(world: World) -> None:
    world.source.start()
    world.model.start()
    world.source.url = lambda _: f"rtsp://viewer:pass@127.0.0.1:{world.source.port}/secret"
    live = world.begin(sink="null", limits="{frames: 30}")
    until(lambda: b"-copyinkf" in _command_lines(), "no ffmpeg fetches the stream")
    assert b"viewer" not in _command_lines()
    code, summary, said = live.ends()
    assert (code, summary["captured"]) == (0, 30), said


def _command_lines() -> bytes:
    """Those of all processes, as every user of the machine sees them."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            lines.append(path.read_bytes())
    return b"\n".join(lines)


@pytest.mark.parametrize(
    "state",
    ["running", "waiting for the source", "source unavailable", "destination unavailable",
     "destination stalled", "model unavailable"],
)  # fmt: skip
def test_sigterm_in_any_state_ends_the_run_with_files_that_play(
    world: World, probe: Any, state: str
) -> None:
    for server in (world.destination, world.model):
        server.start()
    if state != "waiting for the source":
        world.source.start()
    live = world.begin(sink="[{rtsp}, out.mp4]")
    if state == "waiting for the source":
        live.until_logged("trying again")
    else:
        world.until_recorded()
        match state.split():
            case ["source", "unavailable"]:
                world.source.kill()
                live.until_logged("source: .* ended")
            case ["destination", "unavailable"]:
                world.destination.kill()
                live.until_logged(r"sink\[0\]: .*; trying again")
            case ["destination", "stalled"]:
                world.destination.pause()
            case ["model", "unavailable"]:
                world.model.kill()
                live.until_logged("the model server is unavailable")
    live.process.send_signal(signal.SIGTERM)
    code, summary, said = live.ends()
    if state == "destination stalled":
        world.destination.resume()
    assert code == 143, said
    assert children_of(live.process.pid) == []
    if state != "waiting for the source":
        second = summary["sinks"][1]
        assert len(probe(live.folder / "out.mp4").times) == second["delivered"] > 0
        assert world.recordings()


def children_of(pid: int) -> list[str]:
    """What still runs with `pid` as the process that started it, or as its group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if str(pid) in (fields[1], fields[2], fields[3]):
                found.append(stat.parent.name)
    return found
