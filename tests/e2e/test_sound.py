"""The sound of a source, copied into files and live streams in step with the pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.testbed import sound
from tests.testbed.live import receiver
from tests.testbed.nginx import rtmp_server
from tests.testbed.process import free_ports
from tests.testbed.sound import heard

pytestmark = pytest.mark.usefixtures("pyav")

STEP = 0.04  # seconds: a frame
DROPS = """
def drops(frame):
    return frame if frame.index % 7 < 2 else None
"""


def test_the_packets_are_copied_as_they_are(flow: Any, flowrun_here: Any, tmp_path: Path) -> None:
    source = sound.clip(tmp_path / "in.mp4", 3)
    done = flowrun_here(flow(source=source, sink="{uri: out.mp4, audio: copy}", limits=None))
    assert done.returncode == 0, done.stderr
    before, after = heard(source), heard(tmp_path / "out.mp4")
    assert after.packets == before.packets[-len(after.packets) :]
    assert len(before.packets) - len(after.packets) <= 1  # of before the first frame
    assert after.out_of_step() <= STEP
    assert after.uncovered() <= STEP


@pytest.mark.parametrize(
    "suffix", ["mkv", *(pytest.param(each, marks=pytest.mark.slow) for each in ("mp4", "ts"))]
)
def test_each_file_of_a_series_has_its_part_of_the_sound(
    flow: Any, flowrun_here: Any, tmp_path: Path, suffix: str
) -> None:
    source = sound.clip(tmp_path / "in.mp4", 7)
    sink = f"{{uri: 'rec/%M%S.{suffix}', segment: 3s, audio: copy}}"
    done = flowrun_here(flow(source=source, sink=sink, limits=None))
    assert done.returncode == 0, done.stderr
    files = [heard(each) for each in sorted((tmp_path / "rec").iterdir())]
    assert [len(each.flashes) for each in files] == [3, 3, 1]
    assert max(each.out_of_step() for each in files) <= STEP
    assert max(each.uncovered() for each in files) <= STEP
    packets = [packet for each in files for packet in each.packets]
    before = heard(source).packets
    assert len(packets) >= len(before) - 1
    assert packets == before[-len(packets) :] or suffix == "ts"  # which adds a header to each


def test_dropped_frames_do_not_shift_the_sound(
    flow: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    (tmp_path / "hooks.py").write_text(DROPS)
    source = sound.clip(tmp_path / "in.mp4", 4)
    sink = "{uri: out.mkv, audio: copy}"
    path = flow(source=source, preprocess="['hooks:drops']", sink=sink, limits=None)
    assert flowrun_here(path).returncode == 0
    after = heard(tmp_path / "out.mkv")
    assert len(after.packets) >= len(heard(source).packets) - 1
    for flash, beep in zip(after.flashes, after.beeps, strict=True):
        assert 0 <= flash - beep + STEP <= 6 * STEP  # the next frame that is shown


def test_a_source_that_is_repeated_repeats_its_sound(
    flow: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    source = sound.clip(tmp_path / "in.mp4", 2)
    sink, twice = "{uri: out.mkv, audio: copy}", f"{{uri: {source}, loop: true}}"
    done = flowrun_here(flow(source=twice, sink=sink, limits="{frames: 150}"))
    assert done.returncode == 0, done.stderr
    after = heard(tmp_path / "out.mkv")
    assert len(after.flashes) == 6
    assert after.out_of_step() <= STEP
    assert after.uncovered() <= STEP


@pytest.mark.slow
def test_the_sound_of_a_live_stream_is_recorded_and_published(
    flow: Any, started: Any, rtmp_executable: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    url = f"rtmp://127.0.0.1:{port}/live"
    sinks = f"[{{uri: out.mkv, audio: copy}}, {{uri: '{url}/out', audio: copy}}]"
    path = flow(source=f"{url}/in", sink=sinks, limits="{duration: 5s}")
    with (
        rtmp_server(rtmp_executable, tmp_path / "nginx", port),
        sound.sender(f"{url}/in", "flv", tmp_path / "sender.log"),
        receiver(f"{url}/out", tmp_path / "got.mkv"),
    ):
        run = started(path)
        _, log = run.communicate(timeout=60)
        assert run.returncode == 0, log
    recorded, received = heard(tmp_path / "out.mkv"), heard(tmp_path / "got.mkv")
    assert recorded.uncovered() <= STEP
    for each in (recorded, received):  # frames are dropped while the publication connects
        assert each.out_of_step(after=0.5) <= STEP
    assert min(len(recorded.flashes), len(received.flashes)) >= 3


def test_a_source_without_sound_is_no_error(
    flow: Any, flowrun_here: Any, caplog: pytest.LogCaptureFixture
) -> None:
    done = flowrun_here(flow(sink="{uri: out.mp4, audio: copy}"))
    assert done.returncode == 0, done.stderr
    assert "has no sound" in caplog.text


def test_a_container_that_cannot_hold_the_sound_is_an_error_before_the_first_frame(
    flow: Any, flowrun_here: Any, tmp_path: Path
) -> None:
    source = sound.clip(tmp_path / "in.mkv", 1, "pcm_alaw")
    done = flowrun_here(flow(source=source, sink="{uri: out.mp4, audio: copy}", limits=None))
    assert done.returncode == 78
    assert "sink.audio: .mp4 cannot hold the sound of the source (pcm_alaw)" in done.stderr
    assert "`.mkv` or `.mov` can" in done.stderr
    assert not (tmp_path / "out.mp4").exists()
    live = flowrun_here("validate", "--live", tmp_path / "flow.yaml")
    assert live.returncode == 78
    assert "cannot hold the sound" in live.stdout + live.stderr
