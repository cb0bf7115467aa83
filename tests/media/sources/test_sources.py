"""Sources yield every frame, with its time, and end when they are stopped."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.errors import InvalidFlowError, SourceError
from flowrun.image.buffers import Buffers
from flowrun.image.text import fitting_size, text_mask
from flowrun.media.ffmpeg.decoder import Decoder
from flowrun.media.ffmpeg.framecrc import FrameTimes
from flowrun.media.protocols import SourceContext
from flowrun.media.pyav.converter import Converter
from flowrun.media.pyav.decoder import AvDecoder
from flowrun.media.sources import make_source
from flowrun.spec.flow import SourceSpec

LIMIT = 30.0  # seconds, a guard against hanging


def frames_of(spec: SourceSpec, most: int = 1000) -> tuple[Any, list[Any]]:
    source = make_source(spec)
    info = source.open()
    frames = []
    for frame in source:
        frames.append(frame)
        if len(frames) == most:
            source.stop()
    source.close()
    return info, frames


def test_a_file_yields_every_frame_with_its_time(make: Any, decoder: Any) -> None:
    info, frames = frames_of(SourceSpec(str(make("a.mp4")), decoder=decoder))
    assert (info.width, info.height, info.fps, info.frames) == (64, 48, 25.0, 20)
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(20)])
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
    assert frames[0].image.tobytes() != frames[-1].image.tobytes()
    captured = [frame.captured for frame in frames]
    assert captured == sorted(captured)


@pytest.mark.parametrize("pace", ["fast", "realtime"])
def test_a_source_that_waits_for_a_picture_keeps_none_alive(
    make: Any, pace: Any, decoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def recorded(made: Any) -> Any:
        pictures.append(weakref.ref(made))
        return made

    def counted(read: Any) -> Any:
        def counting(*arguments: Any) -> Any:
            alive.append(sum(reference() is not None for reference in pictures))
            return read(*arguments)

        return counting

    maker: Any = Buffers
    reader: Any = Decoder
    read = "_read"
    if decoder == "av":
        maker, reader, read = Converter, AvDecoder, "_next"
    make_picture: Any = maker.picture
    monkeypatch.setattr(maker, "picture", lambda *arguments: recorded(make_picture(*arguments)))
    monkeypatch.setattr(reader, read, counted(getattr(reader, read)))
    spec = SourceSpec(str(make("a.mp4")), pace=pace, decoder=decoder)
    with closing(make_source(spec)) as source:
        source.open()
        for frame in source:
            if frame.index == 4:
                break
            del frame
    assert len(alive) >= 4
    assert not any(alive)


def test_images_are_made_in_allocated_buffers_as_long_as_there_are_some(
    make: Any, decoder: Any
) -> None:
    spec = SourceSpec(str(make("a.mp4")), decoder=decoder)
    _, expected = frames_of(spec)
    blocks = [np.zeros(64 * 48 * 3 + 100, np.uint8) for _ in range(5)]
    left = list(blocks)
    buffers = Buffers()
    buffers.allocate = lambda _size: left.pop(0) if left else None
    source = make_source(spec, SourceContext(buffers))
    source.open()
    frames = list(source)
    source.close()
    assert all((a.image == b.image).all() for a, b in zip(frames, expected, strict=True))
    for frame in frames:
        assert not frame.image.flags.writeable
        inside = any(np.may_share_memory(frame.image, block) for block in blocks)
        assert inside == (frame.index < len(blocks))


def test_the_frames_of_a_variable_rate_keep_their_times(make: Any, decoder: Any) -> None:
    wanted = [n * n / 100 for n in range(20)]
    path = make("a.mkv", "-vf", "settb=1/1000,setpts=N*N*10", "-fps_mode", "vfr",
                "-enc_time_base", "1/1000")  # fmt: skip
    _, frames = frames_of(SourceSpec(str(path), decoder=decoder))
    assert [frame.time for frame in frames] == pytest.approx(wanted)


def test_times_are_counted_from_the_first_frame(make: Any, decoder: Any) -> None:
    late = make("a.mkv", "-output_ts_offset", "1.5")
    after_sound = make("b.mkv", "-f", "lavfi", "-i", "anullsrc=d=2", "-vf", "setpts=PTS+0.5/TB",
                       "-fps_mode", "passthrough", "-c:a", "pcm_s16le")  # fmt: skip
    for path in (late, after_sound):
        _, frames = frames_of(SourceSpec(str(path), decoder=decoder))
        assert [frame.time for frame in frames] == pytest.approx(
            [n / 25 for n in range(20)], abs=1e-3
        )


def test_the_clock_of_a_recording_that_starts_again_is_continued_with_one_warning(
    make: Any, decoder: Any, caplog: Any
) -> None:
    path, other = make("a.ts", "-bf", "0"), make("b.ts", "-bf", "0")
    path.write_bytes(path.read_bytes() + other.read_bytes())
    _, frames = frames_of(SourceSpec(str(path), decoder=decoder))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(40)], abs=1e-3)
    (message,) = [text for text in caplog.messages if "clock" in text]
    assert message == (
        f"source: the clock of {path} jumps by -0.8 s; the times of its frames continue without it"
    )


def test_a_stream_of_pictures_without_times_gets_those_of_arrival(make: Any, decoder: Any) -> None:
    jpeg = make("a.jpg", "-frames:v", "1", "-update", "1").read_bytes()
    head = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
    shown = [threading.Event() for _ in range(4)]

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            self.wfile.write((head + jpeg + b"\r\n") * 4)  # enough to probe
            for event in shown:
                event.wait(LIMIT)
                self.wfile.write(head + jpeg + b"\r\n")

        def log_message(self, *_: Any) -> None: ...

    with http_server(Camera) as address:
        source = make_source(SourceSpec(f"http://{address}/live", decoder=decoder))
        info = source.open()
        assert info is not None
        assert (info.timing, info.fps, info.live) == ("arrival", None, True)
        frames = []
        for frame in source:
            frames.append(frame)
            if frame.index >= 3:
                shown[frame.index - 3].set()
            if frame.index == 6:
                break
        source.close()
        for event in shown:
            event.set()
    times = [frame.time - frames[0].time for frame in frames]
    captured = [frame.captured - frames[0].captured for frame in frames]
    assert times == pytest.approx(captured, abs=0.02)


@contextmanager
def http_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server that `handler` answers for."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join(LIMIT)
        server.server_close()


def test_sound_odd_sizes_and_cover_pictures_do_not_matter(make: Any, decoder: Any) -> None:
    path = make("a.mkv", "-f", "lavfi", "-i", "sine=d=1", "-pix_fmt", "yuv444p", "-map", "1",
                "-map", "0", source="testsrc=s=65x49:r=25")  # fmt: skip
    info, frames = frames_of(SourceSpec(str(path), decoder=decoder))
    assert (info.width, info.height, len(frames)) == (65, 49, 20)


def test_a_frame_is_read_only_and_its_own(make: Any, decoder: Any) -> None:
    _, frames = frames_of(SourceSpec(str(make("a.mp4")), decoder=decoder))
    with pytest.raises(ValueError, match="read-only"):
        frames[0].image[0, 0] = 1
    assert not np.shares_memory(frames[0].image, frames[1].image)


def test_size_rate_and_colour_order_are_those_of_the_flow(make: Any, decoder: Any) -> None:
    path = str(make("a.mp4"))
    spec = SourceSpec(path, size=(32, 16), fps=5, color="bgr", decoder=decoder)
    info, frames = frames_of(spec)
    assert (info.width, info.height, info.fps) == (32, 16, 5)
    assert [frame.time for frame in frames] == pytest.approx([0, 0.2, 0.4, 0.6])
    _, plain = frames_of(replace(spec, color="rgb"))
    assert (plain[0].image[:, :, ::-1] == frames[0].image).all()


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in the file system")
def test_stop_ends_a_read_that_is_blocked(make: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    content = make("a.mkv").read_bytes()
    fed, over = threading.Event(), threading.Event()

    def feed() -> None:
        with open(pipe, "wb") as out:
            out.write(content)
            out.flush()
            fed.set()
            over.wait(LIMIT)

    feeder = threading.Thread(target=feed)
    feeder.start()
    source = make_source(SourceSpec(str(pipe), read_timeout=LIMIT))
    source.open()
    assert fed.wait(LIMIT)
    stopper = threading.Timer(0.2, source.stop)
    stopper.start()
    frames = list(source)
    over.set()
    feeder.join(LIMIT)
    stopper.join(LIMIT)
    assert len(frames) <= 20


def test_a_loop_continues_until_another_thread_stops_it(make: Any, decoder: Any) -> None:
    source = make_source(SourceSpec(str(make("a.mp4")), loop=True, decoder=decoder))
    source.open()
    frames: list[Any] = []
    twice = threading.Event()

    def read() -> None:
        for frame in source:
            frames.append(frame)
            if len(frames) == 41:
                twice.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert twice.wait(LIMIT)
    source.close()
    reader.join(LIMIT)
    assert not reader.is_alive()
    assert [frame.time for frame in frames[:41]] == pytest.approx([n / 25 for n in range(41)])
    assert (frames[0].image == frames[20].image).all()


def test_a_source_that_is_stopped_between_an_image_and_its_time_has_no_error(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_source(SourceSpec(str(make("a.mp4")), decoder="ffmpeg"))
    source.open()
    read_times = FrameTimes.next

    def stopped_meanwhile(times: FrameTimes, index: int) -> tuple[float, float]:
        if index == 3:
            source.stop()
            times._lines.read()  # what ffmpeg had written before
        return read_times(times, index)

    monkeypatch.setattr(FrameTimes, "next", stopped_meanwhile)
    with closing(source):
        assert [frame.index for frame in source] == [0, 1, 2]


def test_a_pipe_is_not_closed_while_another_thread_reads_it(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_source(SourceSpec(str(make("a.mp4")), decoder="ffmpeg"))
    source.open()
    read_times = FrameTimes.next
    closer = threading.Thread(target=source.close)

    def closed_meanwhile(times: FrameTimes, index: int) -> tuple[float, float]:
        if index == 3:
            closer.start()
            closer.join(0.2)
            assert not times._lines.closed
        return read_times(times, index)

    monkeypatch.setattr(FrameTimes, "next", closed_meanwhile)
    with closing(source):
        read = [frame.index for frame in source]
    assert read in ([0, 1, 2], [0, 1, 2, 3])  # the time may have been in the pipe
    closer.join(LIMIT)
    assert not closer.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in the file system")
def test_stop_ends_the_opening_too(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    source = make_source(SourceSpec(str(pipe), open_timeout=LIMIT))
    stopper = threading.Timer(0.2, source.stop)
    stopper.start()
    assert source.open() is None
    stopper.join(LIMIT)
    assert list(source) == []
    source.close()


def test_a_source_that_is_stopped_first_does_not_open(make: Any, decoder: Any) -> None:
    for spec in (SourceSpec(str(make("a.mp4")), decoder=decoder), SourceSpec("test")):
        source = make_source(spec)
        source.stop()
        assert source.open() is None
        source.close()


@pytest.mark.skipif(sys.platform == "win32", reason="has no named pipes in the file system")
def test_a_source_without_a_frame_times_out_after_open_timeout(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.mkv"
    os.mkfifo(pipe)
    with pytest.raises(SourceError) as raised:
        make_source(SourceSpec(str(pipe), open_timeout=0.2)).open()
    assert raised.value.reason == "timed out"
    assert str(raised.value) == (
        f"source: {pipe} gave no frame for 0.2 s after 0 frames\n"
        "  `source.open_timeout` sets how long to wait"
    )


def test_a_missing_file_and_a_directory_are_named(tmp_path: Path, decoder: Any) -> None:
    with pytest.raises(SourceError) as raised:
        make_source(SourceSpec(str(tmp_path / "none.mp4"), decoder=decoder)).open()
    assert raised.value.reason == "not found"
    with pytest.raises(SourceError, match="is a directory") as raised:
        make_source(SourceSpec(str(tmp_path), decoder=decoder)).open()
    assert raised.value.reason == "not found"


def test_a_file_that_is_not_a_video_is_an_error(make: Any, decoder: Any, tmp_path: Path) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("hello")
    with pytest.raises(SourceError, match="Invalid data found") as raised:
        make_source(SourceSpec(str(text), decoder=decoder)).open()
    assert raised.value.reason == "codec"
    sound = make("a.wav", "-t", "1", source="sine")
    with pytest.raises(SourceError, match="there is no video in") as raised:
        make_source(SourceSpec(str(sound), decoder=decoder)).open()
    assert raised.value.reason == "no video"


def test_a_video_whose_index_is_missing_is_an_error_that_says_so(make: Any, decoder: Any) -> None:
    path = make("a.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"moov") - 4])
    for each in (decoder, "auto"):
        with pytest.raises(SourceError, match="moov atom not found") as raised:
            make_source(SourceSpec(str(path), decoder=each)).open()
        assert raised.value.reason == "codec"


def test_a_truncated_file_yields_the_frames_it_has(make: Any, caplog: Any, decoder: Any) -> None:
    path = make("a.mkv", source="testsrc2=s=320x240:r=25")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    _, frames = frames_of(SourceSpec(str(path), decoder=decoder))
    assert 0 < len(frames) < 20
    if decoder == "ffmpeg":  # PyAV does not report it
        assert "source: ffmpeg reported" in caplog.text


def test_the_pattern_draws_another_picture_for_every_frame() -> None:
    info, frames = frames_of(SourceSpec("test:64x48@24"), most=12)
    assert (info.width, info.height, info.fps) == (64, 48, 24.0)
    assert len({frame.image.tobytes() for frame in frames}) == 12
    assert [frame.time for frame in frames] == pytest.approx([n / 24 for n in range(12)])
    assert frames[0].duration == pytest.approx(1 / 24)
    assert info.time_base == Fraction(1, 24)


@pytest.mark.parametrize("name", ["test:64x48", "test:321x240", "test:1280x720"])
def test_the_number_of_the_frame_can_be_read_in_the_pattern(name: str) -> None:
    info, frames = frames_of(SourceSpec(name), most=12)
    size = fitting_size(("00000",), info.width * 3 // 4, info.height // 4)
    digits = {digit: text_mask(digit, size) for digit in "0123456789"}
    high, wide = digits["0"].shape
    top, left = (info.height * 3 // 4 - high) // 2, (info.width - 5 * wide) // 2
    for frame in frames:
        places = (frame.image[top : top + high, left + n * wide :][:, :wide, 1] for n in range(5))
        read = ["".join(d for d in digits if (digits[d] == place).all()) for place in places]
        assert "".join(read) == f"{frame.index:05d}"


def test_the_pattern_has_a_default_and_takes_the_keys_of_the_flow() -> None:
    info, _ = frames_of(SourceSpec("test"), most=1)
    assert (info.width, info.height, info.fps) == (1280, 720, 30.0)
    info, frames = frames_of(SourceSpec("test", size=(40, 30), fps=12.5, color="bgr"), most=1)
    assert (info.width, info.height, info.fps) == (40, 30, 12.5)
    _, plain = frames_of(SourceSpec("test", size=(40, 30)), most=1)
    assert (plain[0].image[:, :, ::-1] == frames[0].image).all()


def test_a_pattern_too_small_to_see_is_refused() -> None:
    with pytest.raises(InvalidFlowError, match="a test pattern of 8x8 is too small"):
        make_source(SourceSpec("test:8x8"))


def test_a_pattern_too_large_for_memory_is_refused() -> None:
    with pytest.raises(InvalidFlowError, match="a test pattern of 99999x16 is too large"):
        make_source(SourceSpec("test:99999x16"))
