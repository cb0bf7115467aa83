"""Recordings play, whatever happens while they are written."""

from __future__ import annotations

import logging
import os
import signal
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from flowrun.errors import SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.media.protocols import SinkContext, Source
from flowrun.media.sinks import open_sink
from flowrun.media.sinks.encoders import ENCODERS
from flowrun.media.sources import make_source
from flowrun.spec.flow import SinkSpec, SourceSpec

INFO = VideoInfo(64, 48, fps=25, time_base=Fraction(1, 12800))


def frame(index: int, size: tuple[int, int] = (64, 48), time: float | None = None) -> Frame:
    at = index / 25 if time is None else time
    image = np.full((size[1], size[0], 3), index % 256, np.uint8)
    return Frame(image, index, at, 1 / 25, 0.0)


def opened(path: Path) -> tuple[VideoInfo, Source]:
    source = make_source(SourceSpec(str(path)))
    info = source.open()
    assert info is not None
    return info, source


def read(path: Path) -> list[Frame]:
    return list(opened(path)[1])


@pytest.mark.parametrize(
    ("ending", "tick"),
    [("mp4", 0), ("mov", 0), ("mkv", 0.001), ("webm", 0.001), ("avi", 0.04), ("ts", 1 / 90_000)],
)
def test_every_container_keeps_the_frames_and_their_times(
    tmp_path: Path, ending: str, tick: float, encoder: Any
) -> None:
    path = tmp_path / f"out.{ending}"
    sink = open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(INFO))
    times = [n / 25 if ending == "avi" else n * (n + 3) / 50 for n in range(30)]
    for n, time in enumerate(times):
        sink.write(frame(n, time=time))
    assert not path.exists()
    sink.close()
    assert [f.time for f in read(path)] == pytest.approx(times, abs=tick + 1e-6)
    assert os.listdir(tmp_path) == [path.name]


def test_a_change_of_size_continues_in_a_second_file(
    tmp_path: Path, caplog: Any, encoder: Any
) -> None:
    sink = open_sink(SinkSpec(str(tmp_path / "out.mp4"), encoder=encoder), SinkContext(INFO))
    for n in range(5):
        sink.write(frame(n))
    for n in range(5, 8):
        sink.write(frame(n, (31, 17)))
    sink.close()
    assert sorted(os.listdir(tmp_path)) == ["out.2.mp4", "out.mp4"]
    first, second = read(tmp_path / "out.mp4"), read(tmp_path / "out.2.mp4")
    assert [f.image.shape for f in first] == [(48, 64, 3)] * 5
    assert [f.image.shape for f in second] == [(17, 31, 3)] * 3
    with av.open(tmp_path / "out.2.mp4") as container:
        shown = next(container.decode(video=0)).time
    assert shown == pytest.approx(5 / 25)
    assert "the frame size changed from 64x48 to 31x17 at frame 5; the recording" in caplog.text


def test_an_existing_file_is_only_overwritten_if_requested(tmp_path: Path, encoder: Any) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("precious")
    with pytest.raises(SinkError) as raised:
        open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(INFO))
    assert str(raised.value) == (
        f"sink: {path} exists and is not overwritten\n"
        "  choose another path, or set `overwrite: true` under `sink`"
    )
    assert path.read_text() == "precious"
    sink = open_sink(SinkSpec(str(path), overwrite=True, encoder=encoder), SinkContext(INFO))
    sink.write(frame(0))
    sink.close()
    assert len(read(path)) == 1


def test_an_existing_file_is_replaced_when_the_new_one_is_finished(
    tmp_path: Path, encoder: Any
) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("precious")
    spec = SinkSpec(str(path), overwrite=True, encoder=encoder)
    failed = open_sink(replace(spec, preset="nonesuch"), SinkContext(INFO))
    write_until_it_fails(failed)
    with pytest.raises(SinkError):
        failed.close()
    assert path.read_text() == "precious"
    sink = open_sink(spec, SinkContext(INFO))
    sink.write(frame(0))
    assert path.read_text() == "precious"
    sink.close()
    assert len(read(path)) == 1


def test_a_file_that_appears_during_the_run_stays_and_the_recording_is_kept_beside_it(
    tmp_path: Path, encoder: Any, caplog: Any
) -> None:
    path = tmp_path / "out.mp4"
    sink = open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(INFO))
    sink.write(frame(0))
    path.write_text("precious")
    (tmp_path / "out-1.mp4").write_text("this, too")
    text = f"{path} was created by another program; the recording is kept as {tmp_path}/out-2.mp4"
    with pytest.raises(SinkError) as raised:
        sink.close()
    assert raised.value.message == text
    assert f"sink: {text}" in caplog.text
    sink.close()
    assert (path.read_text(), (tmp_path / "out-1.mp4").read_text()) == ("precious", "this, too")
    assert len(read(tmp_path / "out-2.mp4")) == 1
    assert sorted(os.listdir(tmp_path)) == ["out-1.mp4", "out-2.mp4", "out.mp4"]


def test_what_an_earlier_run_has_left_is_kept_under_another_name(
    tmp_path: Path, encoder: Any, caplog: Any
) -> None:
    path, part = tmp_path / "out.mp4", tmp_path / "out.part.mp4"
    for n in (1, 2):
        part.write_text(f"left {n}")
        spec = SinkSpec(str(path), encoder=encoder, overwrite=True)
        sink = open_sink(spec, SinkContext(INFO))
        sink.write(frame(0))
        sink.close()
        kept = tmp_path / f"out.part-{n}.mp4"
        assert kept.read_text() == f"left {n}"
        assert (
            f"sink: an earlier run did not finish its recording {part}; it is kept as {kept}"
            in caplog.text
        )
        assert len(read(path)) == 1
    assert not part.exists()


def test_a_path_has_one_writer_at_a_time(tmp_path: Path, encoder: Any) -> None:
    spec = SinkSpec(str(tmp_path / "out.mp4"), encoder=encoder)
    first = open_sink(spec, SinkContext(INFO))
    first.write(frame(0))
    with pytest.raises(SinkError) as raised:
        open_sink(replace(spec, overwrite=True), SinkContext(INFO))
    assert raised.value.message == f"{spec.uri} is being written by another run or sink"
    first.close()
    assert len(read(tmp_path / "out.mp4")) == 1
    open_sink(replace(spec, overwrite=True), SinkContext(INFO)).close()
    assert os.listdir(tmp_path) == ["out.mp4"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")
def test_a_file_that_does_not_play_does_not_get_its_final_name(tmp_path: Path, caplog: Any) -> None:
    path, part = tmp_path / "out.mp4", tmp_path / "out.part.mp4"
    path.write_text("precious")
    sink: Any = open_sink(SinkSpec(str(path), overwrite=True), SinkContext(INFO))
    sink.write(frame(0))
    sink._recording._encoder._process.kill()
    write_until_it_fails(sink)
    part.write_text("no video")
    with pytest.raises(SinkError):
        sink.close()
    assert (path.read_text(), part.read_text()) == ("precious", "no video")
    assert f"sink: {part} does not play and keeps this name" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="removes an open file")
def test_a_file_that_vanishes_while_it_is_written_is_an_error(tmp_path: Path, encoder: Any) -> None:
    path, part = tmp_path / "out.mkv", tmp_path / "out.part.mkv"
    sink: Any = open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(INFO))
    n = 0
    while not part.exists():
        sink.write(frame(n))
        n += 1
    part.unlink()
    with pytest.raises(SinkError) as raised:
        sink.close()
    assert sink.missing == n
    text = f"{part} was removed or renamed during the run; there is no recording"
    assert raised.value.message == text
    assert os.listdir(tmp_path) == []


def test_missing_folders_are_created_and_impossible_ones_are_reported(
    tmp_path: Path, encoder: Any
) -> None:
    sink = open_sink(SinkSpec(str(tmp_path / "a/b/out.mp4"), encoder=encoder), SinkContext(INFO))
    sink.write(frame(0))
    sink.close()
    assert (tmp_path / "a/b/out.mp4").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"file/out.mp4 cannot be written: "):
        open_sink(SinkSpec(str(tmp_path / "file/out.mp4"), encoder=encoder), SinkContext(INFO))
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(SinkError, match=r"folder.mp4 is a directory"):
        open_sink(SinkSpec(str(tmp_path / "folder.mp4"), encoder=encoder), SinkContext(INFO))


def test_a_sink_without_a_frame_leaves_no_file(tmp_path: Path, encoder: Any) -> None:
    sink = open_sink(SinkSpec(str(tmp_path / "out.mp4"), encoder=encoder), SinkContext(INFO))
    sink.close()
    sink.close()
    assert os.listdir(tmp_path) == []


def write_until_it_fails(sink: Any) -> SinkError:
    for n in range(10_000, 1_000_000):
        try:
            sink.write(frame(n))
        except SinkError as error:
            return error
    pytest.fail("every write succeeded")


def test_an_encoder_that_does_not_start_is_reported_with_ffmpegs_message(
    tmp_path: Path, encoder: Any
) -> None:
    path = tmp_path / "out.mp4"
    sink = open_sink(SinkSpec(str(path), preset="nonesuch", encoder=encoder), SinkContext(INFO))
    error = write_until_it_fails(sink)
    assert error.key == "sink"
    assert "Error setting preset/tune nonesuch/(null)." in str(error)
    with pytest.raises(SinkError):
        sink.close()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no full device")
def test_a_full_disk_is_reported_with_ffmpegs_message(tmp_path: Path, encoder: Any) -> None:
    full = tmp_path / "full.mkv"
    full.symlink_to("/dev/full")
    opened = ENCODERS[encoder]("sink")(SinkSpec(str(full)), SinkContext(INFO), (64, 48), full)
    error = write_until_it_fails(opened)
    assert str(error).startswith(f"sink: {encoder} could not write {full}: ")
    assert str(error).endswith("No space left on device")
    with pytest.raises(SinkError):
        opened.close()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")
def test_an_encoder_that_is_killed_ends_the_sink_and_its_finished_part_plays(
    tmp_path: Path,
) -> None:
    path = tmp_path / "out.mp4"
    sink: Any = open_sink(SinkSpec(str(path), preset="ultrafast"), SinkContext(INFO))
    part = tmp_path / "out.part.mp4"
    for n in range(10_000):  # so little detail that a second of it is less than any buffer
        written = n + 1
        sink.write(frame(n // 25 * 25, time=n / 25))
        if part.exists() and part.stat().st_size > 1000:  # a fragment is on the disk
            break
    sink._recording._encoder._process.kill()
    assert str(write_until_it_fails(sink)) == (
        f"sink: ffmpeg could not write {part}: it was ended by signal 9 (Killed)"
    )
    with pytest.raises(SinkError):
        sink.close()
    found = len(read(path))
    assert found > 1
    assert sink.missing >= written - found > 0  # what is written after the kill may reach the pipe


def test_no_frame_is_missing_from_a_recording_that_is_finished(
    tmp_path: Path, encoder: Any
) -> None:
    path = tmp_path / "out.mp4"
    sink: Any = open_sink(SinkSpec(str(path), encoder=encoder), SinkContext(INFO))
    for n in range(40):
        sink.write(frame(n, (64, 48) if n < 20 else (96, 48)))
    sink.close()
    assert sink.missing == 0


def noise(index: int) -> Frame:
    image = np.random.default_rng(index).integers(0, 256, (120, 160, 3), np.uint8)
    return frame(index).with_image(image)


def test_abort_ends_a_write_that_is_blocked_and_the_file_plays(
    tmp_path: Path, encoder: Any
) -> None:
    path = tmp_path / "out.mp4"
    sink = open_sink(SinkSpec(str(path), preset="ultrafast", encoder=encoder), SinkContext(INFO))
    enough = threading.Event()
    errors: list[SinkError] = []

    def write() -> None:
        try:
            for n in range(1_000_000):
                sink.write(noise(n))
                if n == 200:
                    enough.set()
        except SinkError as error:
            errors.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(60)
    sink.abort()
    writer.join(60)
    sink.close()
    assert [error.message for error in errors] == [f"{tmp_path / 'out.part.mp4'} was aborted"]
    assert len(read(path)) > 1


def test_a_frame_that_is_not_later_than_the_previous_one_is_moved_by_a_tick(
    tmp_path: Path, caplog: Any, encoder: Any
) -> None:
    sink = open_sink(SinkSpec(str(tmp_path / "out.mp4"), encoder=encoder), SinkContext(INFO))
    for n, time in enumerate([0.0, 0.04, 0.04, 0.12]):
        sink.write(frame(n, time=time))
    sink.close()
    times = [f.time for f in read(tmp_path / "out.mp4")]
    assert times == pytest.approx([0.0, 0.04, 0.04 + 1 / 12800, 0.12], abs=1e-6)
    assert "frame 2 is not later than the previous one; its time is moved by a tick" in caplog.text


def test_an_odd_size_is_logged_and_kept(tmp_path: Path, caplog: Any, encoder: Any) -> None:
    caplog.set_level(logging.INFO, "flowrun")
    sink = open_sink(SinkSpec(str(tmp_path / "out.mp4"), encoder=encoder), SinkContext(INFO))
    sink.write(frame(0, (63, 47)))
    sink.close()
    assert read(tmp_path / "out.mp4")[0].image.shape == (47, 63, 3)
    assert "63x47 is odd, so it is encoded as yuv444p" in caplog.text


def recorded(path: Path, encoder: Any, **keys: Any) -> int:
    """How many bytes four seconds of noise take."""
    noise = np.random.default_rng(0).integers(0, 256, (8, 96, 160, 3), np.uint8)
    sink = open_sink(SinkSpec(str(path), encoder=encoder, **keys), SinkContext(INFO))
    for n in range(100):
        sink.write(Frame(noise[n % 8], n, n / 25, 1 / 25, 0.0))
    sink.close()
    return path.stat().st_size


@pytest.mark.parametrize(
    "codec", ["libx264", "libsvtav1", pytest.param("libx265", marks=pytest.mark.slow)]
)
def test_the_bit_rate_is_the_one_that_the_flow_asks_for(
    tmp_path: Path, encoder: Any, codec: str
) -> None:
    for asked in (300, 900):  # kilobits per second, for noise that could take far more
        size = recorded(tmp_path / f"{asked}.mkv", encoder, codec=codec, bitrate=f"{asked}k")
        assert asked / 2 < size * 8 / 1000 / 4 < asked * 2


def test_mpeg4_warns_that_it_supports_no_bit_rate_and_has_a_quality_of_5(
    tmp_path: Path, encoder: Any, caplog: Any
) -> None:
    asked = recorded(tmp_path / "asked.mp4", encoder, codec="mpeg4", bitrate="100k")
    assert "sink.bitrate: mpeg4 does not support a bit rate at a variable frame rate" in caplog.text
    caplog.clear()
    assert recorded(tmp_path / "left.mp4", encoder, codec="mpeg4") == asked
    assert recorded(tmp_path / "said.mp4", encoder, codec="mpeg4", quality=5) == asked
    assert recorded(tmp_path / "less.mp4", encoder, codec="mpeg4", quality=20) < asked
    assert caplog.text == ""


@pytest.mark.parametrize("wide", ["tv", "pc"])
@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", None])
def test_colours_are_preserved(
    make: Any, tmp_path: Path, matrix: str | None, wide: str, encoder: Any
) -> None:
    scale = f"gblur=2,scale=out_range={wide}"
    if matrix:
        scale += f":out_color_matrix={matrix},setparams=color_primaries={matrix}:color_trc={matrix}"
    path = make("in.mp4", "-vf", f"{scale},format=yuv420p", "-crf", "5")
    info, before = opened(path)
    sink = open_sink(
        SinkSpec(str(tmp_path / "out.mp4"), quality=5, encoder=encoder), SinkContext(info)
    )
    originals = list(before)
    for each in originals:
        sink.write(each)
    sink.close()
    copied, after = opened(tmp_path / "out.mp4")
    assert copied.color_range == info.color_range
    assert copied.color_space == info.color_space
    assert copied.color_primaries == info.color_primaries == matrix
    assert copied.color_transfer == info.color_transfer == matrix
    for original, copy in zip(originals, after, strict=True):
        difference = original.image.astype(float) - copy.image.astype(float)
        assert (difference**2).mean() < 6.5  # 40 dB


def test_a_source_stored_as_rgb_keeps_its_colours(make: Any, tmp_path: Path, encoder: Any) -> None:
    path = make("in.mkv", "-vf", "gblur=8,format=gbrp", "-c:v", "libx264rgb", "-crf", "5")
    info, before = opened(path)
    sink = open_sink(
        SinkSpec(str(tmp_path / "a:b.mp4"), quality=5, encoder=encoder), SinkContext(info)
    )
    originals = list(before)
    for each in originals:
        sink.write(each)
    sink.close()
    for original, copy in zip(originals, read(tmp_path / "a:b.mp4"), strict=True):
        difference = original.image.astype(float) - copy.image.astype(float)
        assert (difference**2).mean() < 10  # 38 dB: the chroma of RGB has twice the detail


def test_no_thread_and_no_descriptor_is_left(tmp_path: Path, encoder: Any) -> None:
    def count() -> tuple[int, int]:
        folder = "/proc/self/fd"
        return threading.active_count(), len(os.listdir(folder)) if os.path.isdir(folder) else 0

    def once() -> None:
        sink = open_sink(
            SinkSpec(str(tmp_path / "out.mp4"), overwrite=True, encoder=encoder), SinkContext(INFO)
        )
        sink.write(frame(0))
        sink.close()
        read(tmp_path / "out.mp4")

    once()
    before = count()
    for _ in range(10):
        once()
    assert count() == before
