"""Recordings in segments, and files named by the time."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from flowrun.errors import SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.media.file_pattern import FilePattern
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sinks.file_series import FileSeries
from flowrun.spec.flow import Keep, SinkSpec

INFO = VideoInfo(64, 48, fps=25, time_base=Fraction(1, 12800))
STARTED = datetime(2026, 11, 29, 23, 59, 58).timestamp()  # local time


def frame(index: int, size: tuple[int, int] = (64, 48), captured: float = 0.0) -> Frame:
    """Its shade is its number."""
    image = np.full((size[1], size[0], 3), index * 2 % 256, np.uint8)
    return Frame(image, index, index / 25, 1 / 25, captured)


def shown(path: Path) -> tuple[list[int], list[float], bool]:
    """The numbers and times of the frames of a file, and whether it begins with a key frame."""
    with av.open(path) as container:
        frames = list(container.decode(video=0))
        times = [float(each.time or 0) for each in frames]
        shades = [int(each.to_ndarray(format="rgb24").mean()) for each in frames]
        return [round(shade / 2) for shade in shades], times, bool(frames[0].key_frame)


def until_it_fails(sink: Any, first: int) -> tuple[SinkError, int]:
    """The error, and how many frames were written before it."""
    for n in range(first, 10_000):
        try:
            sink.write(frame(n))
        except SinkError as error:
            return error, n
    pytest.fail("every write succeeded")


def files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in found)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts", "avi", "mov", "webm"])
def test_segments_have_every_frame_once_and_play_by_themselves(
    tmp_path: Path, encoder: Any, ending: str
) -> None:
    path = tmp_path / f"out.{ending}"
    sink: Any = open_sink(SinkSpec(str(path), segment=1.0, encoder=encoder), SinkContext(INFO))
    for n in range(60):
        sink.write(frame(n))
    sink.close()
    assert files(tmp_path) == [f"out-1.{ending}", f"out-2.{ending}", f"out.{ending}"]
    names = (path, tmp_path / f"out-1.{ending}", tmp_path / f"out-2.{ending}")
    numbers = []
    for name in names:
        found, times, key = shown(name)
        numbers.append(found)
        assert key
        assert times[0] < (1.5 if ending == "ts" else 0.05)
        steps = np.diff(times)[: -1 if ending == "avi" else None]  # which has no times
        assert steps == pytest.approx(1 / 25, abs=0.0011)
    assert [len(each) for each in numbers] == [25, 25, 10]
    assert np.concatenate(numbers) == pytest.approx(np.arange(60), abs=2)
    assert sink.missing == 0


def test_segments_go_on_beside_what_is_there_and_replace_nothing(
    tmp_path: Path, encoder: Any
) -> None:
    (tmp_path / "out-4.mp4").write_text("precious")
    (tmp_path / "out-5.part.mp4").write_text("left by a killed run")
    spec = SinkSpec(str(tmp_path / "out.mp4"), segment=1.0, encoder=encoder, overwrite=True)
    for _ in range(2):
        sink = open_sink(spec, SinkContext(INFO))
        for n in range(30):
            sink.write(frame(n))
        sink.close()
    names = ["out-4.mp4", "out-5.part.mp4", *(f"out-{n}.mp4" for n in (6, 7, 8, 9))]
    assert files(tmp_path) == names
    assert (tmp_path / "out-4.mp4").read_text() == "precious"
    assert (tmp_path / "out-5.part.mp4").read_text() == "left by a killed run"


def test_a_change_of_size_begins_a_file_within_a_segment(
    tmp_path: Path, encoder: Any, caplog: Any
) -> None:
    spec = SinkSpec(str(tmp_path / "out.mkv"), segment=1.0, encoder=encoder)
    sink = open_sink(spec, SinkContext(INFO))
    for n in range(50):
        sink.write(frame(n, (96, 48) if 10 <= n < 30 else (64, 48)))
    sink.close()
    names = ["out.mkv", "out-1.mkv", "out-2.mkv", "out-3.mkv"]
    found = [shown(tmp_path / name)[0] for name in names]
    assert [len(each) for each in found] == [10, 15, 5, 20]
    assert np.concatenate(found) == pytest.approx(np.arange(50), abs=2)
    assert f"10; the recording continues in {tmp_path}/out-1.mkv" in caplog.text
    assert caplog.text.count("the frame size changed") == 2


def names_of(pattern: str, context: SinkContext, times: list[tuple[float, float]]) -> list[str]:
    """The names for frames of these times, captured so long before now."""
    series = FileSeries(FilePattern(pattern), context, lambda: STARTED, lambda: 100.0)
    return [
        str(series.next(Frame(frame(0).image, 0, at, 0.04, 100.0 - ago)).path) for at, ago in times
    ]


def test_a_recording_is_named_by_its_start_and_its_own_time(tmp_path: Path) -> None:
    text = f"{tmp_path}/%Y-%m-%d/%H%M%S.mp4"
    names = names_of(text, SinkContext(INFO), [(0.0, 0.0), (1.5, 0.0), (3.0, 0.0)])
    days = ["2026-11-29/235958", "2026-11-29/235959", "2026-11-30/000001"]
    assert names == [f"{tmp_path}/{day}.mp4" for day in days]


def test_a_live_recording_is_named_by_the_wall_clock_of_its_frames(tmp_path: Path) -> None:
    context = SinkContext(replace(INFO, live=True))
    names = names_of(f"{tmp_path}/%H%M%S.mp4", context, [(0.0, 8.0), (1.5, 4.5), (900.0, 0.0)])
    assert names == [f"{tmp_path}/{at}.mp4" for at in ("235950", "235953", "235958")]


def test_a_name_that_is_taken_gets_the_next_number(tmp_path: Path) -> None:
    names = names_of(f"{tmp_path}/%H.mp4", SinkContext(INFO), [(0.0, 0.0), (1.0, 0.0), (3.0, 0.0)])
    assert names == [f"{tmp_path}/{name}.mp4" for name in ("23", "23-1", "00")]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path, caplog: Any) -> None:
    sink = open_sink(SinkSpec(f"{tmp_path}/a%%%Y.mp4"), SinkContext(replace(INFO, live=True)))
    sink.write(frame(0, captured=time.monotonic()))
    (part,) = tmp_path.glob("a%*.part.mp4")
    final = part.with_name(part.name.replace(".part", ""))
    final.write_text("precious")
    sink.close()
    assert final.read_text() == "precious"
    kept = final.with_name(f"{final.stem}-1.mp4")
    assert shown(kept)[0] == [0]
    assert f"{final} was created by another program; the recording is kept as {kept}" in caplog.text


def test_a_pattern_has_one_writer_and_one_lock_file(tmp_path: Path) -> None:
    spec = SinkSpec(f"{tmp_path}/rec/%Y/%H%M%S.mp4", segment=0.2)
    sink = open_sink(spec, SinkContext(INFO))
    for n in range(10):
        sink.write(frame(n))
    assert [name for name in files(tmp_path) if "lock" in name] == ["rec/.%Y+%H%M%S.mp4.lock"]
    with pytest.raises(SinkError) as raised:
        open_sink(spec, SinkContext(INFO))
    assert raised.value.message == f"{spec.uri} is being written by another run or sink"
    sink.close()
    assert not [name for name in files(tmp_path) if "lock" in name]
    open_sink(spec, SinkContext(INFO)).close()


def test_segments_of_a_file_and_the_file_are_not_written_at_once(tmp_path: Path) -> None:
    spec = SinkSpec(f"{tmp_path}/out.mp4")
    sink = open_sink(spec, SinkContext(INFO))
    with pytest.raises(SinkError, match="is being written by another run or sink"):
        open_sink(replace(spec, segment=1.0), SinkContext(INFO))
    sink.close()


def test_what_killed_runs_have_left_keeps_its_name_and_is_logged(
    tmp_path: Path, caplog: Any
) -> None:
    left = tmp_path / "235958.part.mp4"
    left.write_text("left")
    spec = SinkSpec(f"{tmp_path}/%H%M%S.mp4", keep=Keep(seconds=1))
    os.utime(left, (0, 0))
    open_sink(spec, SinkContext(INFO)).close()
    assert f"sink: earlier runs did not finish {left}, which keeps this name" in caplog.text
    assert left.read_text() == "left"


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    year = datetime.fromtimestamp(time.time()).astimezone().year
    (tmp_path / str(year)).write_text("a file")
    sink = open_sink(SinkSpec(f"{tmp_path}/%Y/%H.mp4"), SinkContext(replace(INFO, live=True)))
    with pytest.raises(SinkError, match=rf"{year}/\d\d.mp4 cannot be written: "):
        sink.write(frame(0, captured=time.monotonic()))
    sink.close()


def test_an_encoder_that_does_not_start_leaves_no_file(tmp_path: Path, encoder: Any) -> None:
    spec = SinkSpec(f"{tmp_path}/%H.mp4", preset="nonesuch", encoder=encoder)
    sink = open_sink(spec, SinkContext(INFO))
    error, _ = until_it_fails(sink, 0)
    assert "nonesuch" in str(error)
    with contextlib.suppress(SinkError):
        sink.close()
    assert files(tmp_path) == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills as POSIX does")
def test_an_encoder_that_dies_costs_its_own_file_only(tmp_path: Path) -> None:
    spec = SinkSpec(f"{tmp_path}/out.mkv", segment=1.0, preset="ultrafast")
    sink: Any = open_sink(spec, SinkContext(INFO))
    for n in range(30):
        sink.write(frame(n))
    sink._recording._encoder._process.kill()
    error, written = until_it_fails(sink, 30)
    assert "it was ended by signal 9" in str(error)
    with contextlib.suppress(SinkError):  # raised again if it failed in a write
        sink.close()
    assert len(shown(tmp_path / "out.mkv")[0]) == 25
    found = sum(len(shown(path)[0]) for path in tmp_path.glob("out*.mkv") if path.stat().st_size)
    assert sink.missing == written - found > 0


def test_old_segments_are_deleted_while_the_recording_goes_on(tmp_path: Path, encoder: Any) -> None:
    for name, age in (("out.mp4", 1000), ("out-1.mp4", 900), ("other.mp4", 2000)):
        (tmp_path / name).write_bytes(bytes(10**6))
        os.utime(tmp_path / name, (time.time() - age, time.time() - age))
    keep = Keep(bytes=10**6 + 1000)
    spec = SinkSpec(f"{tmp_path}/out.mp4", segment=1.0, keep=keep, encoder=encoder)
    sink = open_sink(spec, SinkContext(INFO))
    assert files(tmp_path) == [".out.mp4.lock", "other.mp4", "out-1.mp4", "out.mp4"]
    sink.write(frame(0))
    assert "out.mp4" not in files(tmp_path)
    for n in range(1, 60):
        sink.write(frame(n))
    sink.close()
    assert files(tmp_path) == ["other.mp4", "out-2.mp4", "out-3.mp4", "out-4.mp4"]
