"""PyAV in this process decodes the same as ffmpeg in its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowrun.errors import InvalidFlowError
from flowrun.media.ffmpeg.process import executable
from flowrun.media.pyav.hardware import accelerator
from flowrun.media.sources import make_source
from flowrun.spec.flow import SourceSpec

LIMIT = 30.0  # seconds, a guard against hanging
FILES = {
    "mp4": ("a.mp4",),
    "mp4 at an odd rate": ("a.mp4", "-r", "30000/1001"),
    "avi without times": ("a.avi", "-bf", "2"),
    "webm": ("a.webm",),
    "mpeg-ts": ("a.ts",),
    "flv, which has no durations": ("a.flv",),
    "gif": ("a.gif",),
    "jpeg, full range": ("a.mkv", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "h264 without a container": ("a.h264",),
    "variable rate": ("a.mkv", "-vf", "settb=1/1000,setpts=N*N*10", "-fps_mode", "vfr",
                      "-enc_time_base", "1/1000"),
    "labelled colours": ("a.mp4", "-color_range", "pc", "-colorspace", "bt709",
                         "-color_primaries", "smpte170m", "-color_trc", "iec61966-2-1"),
}  # fmt: skip
KEYS: list[dict[str, Any]] = [{}, {"fps": 10}, {"size": (40, 30), "color": "bgr"}]


def read(spec: SourceSpec) -> tuple[Any, list[Any]]:
    source = make_source(spec)
    info = source.open()
    return info, list(source)


def same(spec: SourceSpec) -> int:
    """Compare the output of the two decoders. Return the number of frames."""
    info, frames = read(replace(spec, decoder="av"))
    expected, wanted = read(replace(spec, decoder="ffmpeg"))
    hints: dict[str, Any] = {"fps": None, "duration": None, "frames": None}  # ffmpeg rounds them
    assert replace(info, **hints) == replace(expected, **hints)
    assert info.fps == pytest.approx(expected.fps, abs=0.01)
    assert info.duration == pytest.approx(expected.duration, abs=0.01)
    for frame, other in zip(frames, wanted, strict=True):
        assert (frame.index, frame.time, frame.duration) == (
            other.index,
            other.time,
            pytest.approx(other.duration),
        )
        assert (frame.image == other.image).all()
    return len(frames)


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("keys", KEYS, ids=lambda keys: " ".join(keys) or "plain")
@pytest.mark.parametrize("name", FILES)
def test_frames_times_and_colours_are_the_same(make: Any, name: str, keys: dict[str, Any]) -> None:
    assert same(SourceSpec(str(make(*FILES[name])), **keys)) > 5


@pytest.mark.media
@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("name", ["again.mkv", "walk.mkv"])
def test_footage_is_the_same(footage: Path, name: str) -> None:
    assert same(SourceSpec(str(footage / name))) > 50


def turned(path: Path, folder: Path, degrees: int) -> Path:
    """The same video with a rotation in its container."""
    made = folder / "turned.mp4"
    subprocess.run(
        [executable(), "-v", "error", "-display_rotation", str(degrees), "-i", str(path),
         "-c", "copy", str(made)],
        check=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return made


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("degrees", [90, -90, 180])
def test_a_rotated_video_is_turned(make: Any, tmp_path: Path, degrees: int) -> None:
    assert same(SourceSpec(str(turned(make("a.mp4"), tmp_path, degrees)))) == 20


@pytest.mark.usefixtures("pyav")
def test_a_video_that_changes_its_size_keeps_that_of_its_first_picture(make: Any) -> None:
    path, other = make("a.h264"), make("b.h264", source="testsrc2=s=96x64:r=25")
    path.write_bytes(path.read_bytes() + other.read_bytes())
    _, frames = read(SourceSpec(str(path), decoder="av"))
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 40


@pytest.mark.usefixtures("pyav")
def test_frames_keep_their_pixels_while_others_are_decoded(make: Any) -> None:
    path = str(make("a.mkv", "-frames:v", "100"))
    _, kept = read(SourceSpec(path, decoder="av"))
    source = make_source(SourceSpec(path, decoder="av"))
    source.open()
    for frame, first in zip(source, kept, strict=True):  # each is freed before the next
        assert frame.image.tobytes() == first.image.tobytes()


@pytest.mark.usefixtures("pyav")
def test_packets_that_cannot_be_decoded_are_dropped_and_reported(make: Any, caplog: Any) -> None:
    path = make("a.avi", "-c:v", "png")
    data = bytearray(path.read_bytes())
    for at in [at for at in range(len(data)) if data.startswith(b"IHDR", at)][5:8]:
        data[at : at + 12] = bytes(12)
    path.write_bytes(data)
    _, frames = read(SourceSpec(str(path), decoder="av"))
    assert len(frames) == 17
    assert caplog.messages == [
        f"source: av reported 3 error(s) in {path}, the last:"
        " Invalid data found when processing input"
    ]


# Containers and codecs whose packets an ffmpeg process passes on through a pipe.
FETCHED = {
    **{name: FILES[name] for name in ("mp4", "webm", "mpeg-ts", "gif", "variable rate")},
    "jpeg, full range": FILES["jpeg, full range"],
    "labelled colours": FILES["labelled colours"],
    "hevc, 10 bits": ("a.mkv", "-c:v", "libx265", "-pix_fmt", "yuv420p10le",
                      "-x265-params", "log-level=none"),
    "mpeg-1, whose last packet has no time": ("a.mpg", "-c:v", "mpeg1video"),
    "no key frames": ("a.ts", "-x264-params", "intra-refresh=1:keyint=25"),
    "colours that only the container declares": (
        "a.mkv", "-vf", "scale=out_color_matrix=bt709:out_range=pc,format=yuv420p",
        "-c:v", "ffv1", "-colorspace", "bt709", "-color_range", "pc"),
    "raw yuyv": ("a.mkv", "-c:v", "rawvideo", "-pix_fmt", "yuyv422"),
}  # fmt: skip
# What cannot pass the pipe, or what PyAV cannot decode then: ffmpeg decodes.
NOT_FETCHED = {
    "no times": ("a.h264",),
    "raw bgr": ("a.avi", "-c:v", "rawvideo", "-pix_fmt", "bgr24"),
    "apng": ("a.apng", "-f", "apng"),
    "quicktime animation": ("a.mov", "-c:v", "qtrle"),
}


def fetched(path: Path, decoder: Any, **keys: Any) -> tuple[Any, list[Any]]:
    """What a source reads that ffmpeg fetches; an option of its own keeps PyAV from the file."""
    return read(SourceSpec(str(path), decoder=decoder, ffmpeg={"threads": 1}, **keys))


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("name", FETCHED)
def test_what_ffmpeg_fetches_is_the_same(make: Any, name: str) -> None:
    path = make(*FETCHED[name])
    info, frames = fetched(path, "av")
    expected, wanted = fetched(path, "ffmpeg")
    assert replace(info, time_base=expected.time_base) == expected
    assert len(frames) == len(wanted) > 5
    for frame, other in zip(frames, wanted, strict=True):
        assert frame.time == pytest.approx(other.time, abs=0.0011)  # ffmpeg's times in whole ms
        assert (frame.image == other.image).all()


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("name", NOT_FETCHED)
def test_ffmpeg_decodes_what_cannot_pass_the_pipe(make: Any, name: str, caplog: Any) -> None:
    caplog.set_level("INFO", "flowrun")
    path = make(*NOT_FETCHED[name])
    _, frames = fetched(path, "auto")
    _, wanted = fetched(path, "ffmpeg")
    assert len(frames) == len(wanted) > 5
    assert all((a.image == b.image).all() for a, b in zip(frames, wanted, strict=True))
    assert any(text.startswith(f"source: ffmpeg decodes {path}: ") for text in caplog.messages)


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("degrees", [90, 180])
def test_what_ffmpeg_fetches_is_turned(make: Any, tmp_path: Path, degrees: int) -> None:
    path = turned(make("a.mp4"), tmp_path, degrees)
    _, frames = fetched(path, "av")
    _, wanted = fetched(path, "ffmpeg")
    assert all((a.image == b.image).all() for a, b in zip(frames, wanted, strict=True))


@pytest.mark.usefixtures("pyav")
def test_without_a_device_that_decodes_a_line_says_so(make: Any, caplog: Any) -> None:
    accelerator.cache_clear()
    path = str(make("a.mp4"))
    _, frames = read(SourceSpec(path, decoder="av", ffmpeg={"hwaccel": "none such"}))
    _, again = read(SourceSpec(path, decoder="av", ffmpeg={"hwaccel": "none such"}))
    assert len(frames) == len(again) == 20
    assert caplog.messages == [
        "source: hwaccel: none such finds no device here; decoding in software"
    ]


def test_without_pyav_the_error_names_the_package_to_install(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("flowrun.media.pyav.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InvalidFlowError) as raised:
        make_source(SourceSpec(str(make("a.mp4")), decoder="av"))
    assert str(raised.value) == (
        "source.decoder: `av` needs the package av, which cannot be imported: import of av halted;"
        " None in sys.modules\n  pip install 'av>=17.1', or omit `decoder`"
    )


@pytest.mark.usefixtures("pyav")
def test_no_thread_and_no_descriptor_is_left(make: Any) -> None:
    path = str(make("a.mp4"))

    def count() -> tuple[int, int]:
        folder = "/proc/self/fd"
        return threading.active_count(), len(os.listdir(folder)) if os.path.isdir(folder) else 0

    def once() -> None:
        source = make_source(SourceSpec(path, decoder="av"))
        source.open()
        next(iter(source))
        source.close()

    once()
    before = count()
    for _ in range(10):
        once()
    assert count() == before
