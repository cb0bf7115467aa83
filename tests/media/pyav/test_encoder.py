"""PyAV in this process encodes the same as ffmpeg in its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.errors import InvalidFlowError, SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.media.protocols import Sink, SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sources import make_source
from flowrun.spec.flow import SinkSpec, SourceSpec

LIMIT = 60  # seconds, a guard against hanging
INFO = VideoInfo(64, 48, fps=25, time_base=Fraction(1, 12800))
LABELS: dict[str, Any] = {"color_range": "pc", "color_space": "bt709"}
FILES: dict[str, tuple[str, dict[str, Any], tuple[int, int], dict[str, Any]]] = {
    "mp4": ("out.mp4", {"quality": 5}, (64, 48), {}),
    "mov": ("out.mov", {"quality": 5, "preset": "fast"}, (64, 48), {}),
    "mkv": ("out.mkv", {"quality": 5}, (64, 48), {}),
    "avi": ("out.avi", {"codec": "mpeg4", "quality": 2}, (64, 48), {}),
    "webm": ("out.webm", {"quality": 5}, (64, 48), {}),
    "odd": ("out.mp4", {"quality": 5}, (63, 47), {}),
    "full range": ("out.mp4", {"quality": 5}, (64, 48), LABELS),
    "bit rate": ("out.mp4", {"bitrate": "2M"}, (64, 48), LABELS),
    "lossless": ("out.mkv", {"codec": "ffv1"}, (63, 47), LABELS),
}


def pictures(count: int, size: tuple[int, int]) -> Iterator[Frame]:
    """Ever longer steps of a soft pattern that moves."""
    down, across = np.mgrid[0 : size[1], 0 : size[0]]
    for n in range(count):
        waves = [np.sin((across + down * shade + n) / 9) for shade in (0.5, 1, 2)]
        image = (np.stack(waves, -1) * 100 + 128).astype(np.uint8)
        image.flags.writeable = False
        yield Frame(image, n, n * (n + 3) / 50, (2 * n + 4) / 50, 0.0)


def record(path: Path, frames: Iterator[Frame], context: SinkContext, **keys: Any) -> list[Frame]:
    """The frames of what has been recorded."""
    sink = open_sink(SinkSpec(str(path), **keys), context)
    for frame in frames:
        sink.write(frame)
    sink.close()
    return look(path)[1]


def look(path: Path) -> tuple[VideoInfo, list[Frame]]:
    source = make_source(SourceSpec(str(path)))
    info = source.open()
    assert info is not None
    return info, list(source)


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize("name", FILES)
def test_times_and_pictures_are_the_same(tmp_path: Path, name: str) -> None:
    file, keys, size, labels = FILES[name]
    info = VideoInfo(*size, fps=25, time_base=Fraction(1, 12800), **labels)
    one, other = tmp_path / "a" / file, tmp_path / "b" / file
    found = record(one, pictures(30, size), SinkContext(info), encoder="av", **keys)
    wanted = record(other, pictures(30, size), SinkContext(info), **keys)
    assert look(one)[0] == look(other)[0]
    for frame, like in zip(found, wanted, strict=True):
        assert (frame.time, frame.duration) == (like.time, like.duration)
        difference = frame.image.astype(float) - like.image.astype(float)
        assert (difference**2).mean() < (0.001 if name == "lossless" else 2)  # 45 dB


@pytest.mark.usefixtures("pyav")
def test_an_image_may_be_any_view_of_any_memory_in_the_order_of_the_flow(tmp_path: Path) -> None:
    large = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    views = [large[:47, :63], large[49:2:-1, 69:6:-1], np.asfortranarray(large[:47, :63])]

    def frames() -> Iterator[Frame]:
        return (Frame(view, n, n / 25, 1 / 25, 0.0) for n, view in enumerate(views))

    context = SinkContext(replace(INFO, width=63, height=47), color="bgr")
    found = record(tmp_path / "a.mkv", frames(), context, codec="ffv1", encoder="av")
    wanted = record(tmp_path / "b.mkv", frames(), context, codec="ffv1")
    for one, other in zip(found, wanted, strict=True):
        assert (one.image == other.image).all()


@pytest.mark.usefixtures("pyav")
@pytest.mark.skipif(sys.platform == "win32", reason="protects memory as POSIX does")
@pytest.mark.parametrize("width", [33, 63, 64])
def test_nothing_is_read_after_an_image_at_the_end_of_its_memory(
    tmp_path: Path, width: int
) -> None:
    """In a process of its own, which a wrong read would crash."""
    code = f"""
import ctypes, mmap
import numpy as np
from pathlib import Path
from flowrun.frame import Frame, VideoInfo
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.spec.flow import SinkSpec
pages = mmap.mmap(-1, 4 * mmap.PAGESIZE)
start = ctypes.addressof(ctypes.c_char.from_buffer(pages))
last = ctypes.c_void_p(start + 3 * mmap.PAGESIZE)
assert ctypes.CDLL(None).mprotect(last, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
size = {width} * 16 * 3
image = np.frombuffer(pages, np.uint8, size, 3 * mmap.PAGESIZE - size).reshape(16, {width}, 3)
sink = open_sink(SinkSpec("out.mp4", encoder="av"), SinkContext(VideoInfo({width}, 16)))
sink.write(Frame(image, 0, 0.0, 0.04, 0.0))
sink.close()
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=LIMIT)
    assert [frame.image.shape for frame in look(tmp_path / "out.mp4")[1]] == [(16, width, 3)]


@pytest.mark.usefixtures("pyav")
def test_two_frames_within_one_unit_of_time_are_a_unit_apart(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    image = np.zeros((48, 64, 3), np.uint8)
    times = [0.0, 0.000001, 0.000002, 0.04]
    frames = (Frame(image, n, time, 0.04, 0.0) for n, time in enumerate(times))
    found = record(path, frames, SinkContext(INFO), encoder="av")
    tick = 1 / 12800
    assert [frame.time for frame in found] == pytest.approx([0.0, tick, 2 * tick, 0.04])


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize(
    ("name", "keys", "why"),
    [
        ("out.mp4", {"preset": "nonesuch"}, "Error setting preset/tune nonesuch/(null)."),
        ("out.mp4", {"codec": "aac"}, "Invalid encoder type 'aac'"),
        ("out.webm", {"codec": "libx264"}, "'webm' format does not support 'libx264' codec"),
    ],
)
def test_options_that_the_codec_refuses_are_reported_with_its_message(
    tmp_path: Path, name: str, keys: dict[str, Any], why: str
) -> None:
    from av import logging

    path = tmp_path / name
    sink = open_sink(SinkSpec(str(path), encoder="av", **keys), SinkContext(INFO))
    (frame,) = pictures(1, (64, 48))
    part = path.with_suffix(f".part{path.suffix}")
    writing: list[Any] = [lambda: sink.write(frame)] * 2
    for fails in [*writing, sink.close]:
        with pytest.raises(SinkError) as raised:
            fails()
        assert str(raised.value) == f"sink: av could not write {part}: {why}"
    assert os.listdir(tmp_path) == []
    assert logging.get_level() is None  # the log of libav is off again


def recording(path: Path) -> Sink:
    """A sink with a hundred frames, most of which are still in the look-ahead of the encoder."""
    sink = open_sink(SinkSpec(str(path), encoder="av"), SinkContext(INFO))
    for frame in pictures(100, (64, 48)):
        sink.write(frame)
    return sink


@pytest.mark.usefixtures("pyav")
def test_a_file_that_does_not_finish_in_time_is_reported_and_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.mp4"
    sink = recording(path)
    monkeypatch.setattr("flowrun.media.pyav.encoder.FINISH_TIMEOUT", 0)
    with pytest.raises(SinkError) as raised:
        sink.close()
    part = tmp_path / "out.part.mp4"
    assert str(raised.value) == f"sink: av could not write {part}: it did not end within 0 s"
    assert 1 < len(look(path)[1]) < 100


@pytest.mark.usefixtures("pyav")
def test_an_abort_alone_leaves_a_complete_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowrun.media.pyav.encoder.ABORT_TIMEOUT", LIMIT)
    sink = recording(tmp_path / "out.mp4")
    sink.abort()
    assert len(look(tmp_path / "out.part.mp4")[1]) == 100
    with pytest.raises(SinkError, match="was aborted"):
        sink.write(*pictures(1, (64, 48)))
    sink.close()
    assert os.listdir(tmp_path) == ["out.mp4"]


@pytest.mark.usefixtures("pyav")
def test_an_abort_interrupts_the_flush_of_the_look_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowrun.media.pyav.output_container import OutputContainer

    path = tmp_path / "out.mp4"
    sink = recording(path)
    flush = OutputContainer.flush
    packets: list[None] = []

    def interrupted(output: OutputContainer) -> Iterator[None]:
        for each in flush(output):
            packets.append(each)
            sink.abort()
            yield each

    monkeypatch.setattr("flowrun.media.pyav.encoder.ABORT_TIMEOUT", 0)
    monkeypatch.setattr(OutputContainer, "flush", interrupted)
    sink.close()
    assert len(packets) == 1
    assert 1 < len(look(path)[1]) < 100
    with pytest.raises(SinkError, match="was aborted"):
        sink.write(*pictures(1, (64, 48)))


@pytest.mark.usefixtures("pyav")
def test_a_pyav_that_is_too_old_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import av

    for name in ("flowrun.media.pyav.output_container", "flowrun.media.pyav.encoder"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(av, "__version__", "17.0.1")
    monkeypatch.setitem(av.library_versions, "libavformat", (62, 3, 100))
    with pytest.raises(InvalidFlowError) as raised:
        open_sink(SinkSpec(str(tmp_path / "out.mp4"), encoder="av"), SinkContext(INFO))
    assert str(raised.value) == (
        "sink.encoder: `av` needs the package av, which cannot be imported: version 17.0.1 writes"
        " MP4 files that cannot be played, 17.1 is the first that does not\n"
        "  pip install 'av>=17.1', or omit `encoder`"
    )


def test_without_pyav_the_error_names_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("flowrun.media.pyav.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InvalidFlowError) as raised:
        open_sink(
            SinkSpec(str(tmp_path / "out.mp4"), encoder="av"), SinkContext(INFO, key="sink[1]")
        )
    text, _, reason = raised.value.message.partition(": ")
    assert text == "`av` needs the package av, which cannot be imported"
    assert "av" in reason  # Python's message
    assert raised.value.key == "sink[1].encoder"
    assert raised.value.hint == "pip install 'av>=17.1', or omit `encoder`"
    assert os.listdir(tmp_path) == []
