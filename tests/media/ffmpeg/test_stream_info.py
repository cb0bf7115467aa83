"""The properties of a stream are parsed from ffmpeg's log."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from flowrun.media.ffmpeg.stream_info import StreamInfo, StreamInfoParser, parse_stream


@pytest.mark.parametrize(
    ("text", "stream"),
    [
        (
            "h264 (High), yuvj420p(pc, progressive), 640x480, 30 fps, 30 tbr, 1k tbn, start 0.033",
            StreamInfo(30.0, "pc"),
        ),
        (
            "h264 (High) (avc1 / 0x31637661), yuv420p(tv, smpte170m, progressive), 768x432, "
            "614 kb/s, 12.50 fps, 12.50 tbr, 25k tbn (default)",
            StreamInfo(12.5, "tv", "smpte170m", "smpte170m", "smpte170m"),
        ),
        (
            "hevc, yuv420p10le(tv, bt2020nc/bt2020/smpte2084), 3840x2160, 59.94 fps",
            StreamInfo(59.94, "tv", "bt2020nc", "bt2020", "smpte2084"),
        ),
        (
            "h264, yuv420p(tv, bt470bg/unknown/smpte170m, top first), 720x576, 25 fps",
            StreamInfo(25.0, "tv", "bt470bg", None, "smpte170m"),
        ),
        (
            "h264 (High), yuv420p(progressive), 640x360 [SAR 1:1 DAR 16:9], 29.83 fps",
            StreamInfo(29.83),
        ),
        (
            "h264, yuv420p(tv), 720x576 [SAR 16:15 DAR 4:3], SAR 64:45 DAR 16:9, 25 fps",
            StreamInfo(25.0, "tv", pixel_aspect=Fraction(64, 45)),
        ),
        ("mjpeg, yuv420p, 64x48, 1k fps, 1k tbr", StreamInfo(1000.0)),
        ("rawvideo (RGB[24] / 0x18424752), rgb24, 64x48", StreamInfo(color_space="gbr")),
    ],
)
def test_rate_and_colours_of_a_stream_are_parsed(text: str, stream: StreamInfo) -> None:
    assert replace(parse_stream(text), pixel_format=None) == stream


@pytest.mark.parametrize(
    ("text", "pixels"),
    [
        ("h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709, progressive), 64x48", "yuv420p"),
        ("rawvideo (RGB[24] / 0x18424752), rgb24, 64x48", "rgb24"),
        ("mjpeg (Baseline), yuvj420p(pc, bt470bg/unknown/unknown), 64x48", "yuvj420p"),
        ("hevc (Main 10), yuv420p10le(tv), 64x48", "yuv420p10le"),
        ("none, none, 64x48", "none"),
        ("h264", None),
    ],
)
def test_the_pixel_format_of_a_stream_is_parsed(text: str, pixels: str | None) -> None:
    assert parse_stream(text).pixel_format == pixels


def test_the_first_real_video_stream_before_the_outputs_counts() -> None:
    parser = StreamInfoParser()
    for line in [
        "[info]   Duration: 01:02:03.50, start: 0.000000, bitrate: 101 kb/s",
        "[info]   Stream #0:0: Audio: aac, 48000 Hz",
        "[info]   Stream #0:1: Video: mjpeg, yuvj420p(pc), 300x300, 90k tbn (attached pic)",
        "[info]   Stream #0:2: Video: h264, yuv420p(tv, bt709), 64x48, 25 fps",
        "[info]   Stream #0:3: Video: h264, yuv420p(tv, bt709), 64x48, 50 fps",
        "[info] Output #1, framecrc, to 'pipe:3':",
        "[info]   Stream #1:0: Video: wrapped_avframe, yuv420p, 64x48, 10 fps",
    ]:
        assert not parser.complete.is_set() or "#1:0" in line
        parser.feed(line)
    assert parser.complete.is_set()
    assert parser.duration == 3723.5
    assert parser.stream == StreamInfo(25.0, "tv", "bt709", "bt709", "bt709", "yuv420p")


def test_the_rotation_and_the_demuxer_are_parsed() -> None:
    parser = StreamInfoParser()
    for line in [
        "[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'http://host/a.mp4':",
        "[info]   Duration: N/A, start: 0.000000, bitrate: N/A",
        "[info]   Stream #0:0: Video: h264, yuv420p(tv), 64x48, 25 fps",
        "[info]       Display Matrix: rotation of -90.00 degrees",
    ]:
        parser.feed(line)
    assert (parser.format, parser.rotation) == ("mov,mp4,m4a,3gp,3g2,mj2", -90)
    assert parser.timing() == "stream"


@pytest.mark.parametrize(
    ("name", "timing"),
    [("hls", "bursts"), ("dash", "bursts"), ("mpjpeg", "arrival"), ("h264", "arrival"),
     ("mpegts", "stream"), ("rtsp", "stream")],
)  # fmt: skip
def test_the_demuxer_of_an_endless_stream_decides_what_its_times_are(
    name: str, timing: str
) -> None:
    parser = StreamInfoParser()
    parser.feed(f"[info] Input #0, {name}, from 'http://host/a':")
    assert parser.timing() == timing
    parser.feed("[info]   Duration: 00:00:02.00, start: 0.0, bitrate: 1 kb/s")
    assert parser.timing() == "stream"


def test_a_stream_without_a_known_length_has_none() -> None:
    parser = StreamInfoParser()
    parser.feed("[info]   Duration: N/A, start: 0.000000, bitrate: N/A")
    assert parser.duration is None
