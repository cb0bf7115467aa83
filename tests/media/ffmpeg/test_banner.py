"""What ffmpeg says of a stream."""

from __future__ import annotations

import pytest

from flowrun.media.ffmpeg.banner import Banner, Stream, parse_stream


@pytest.mark.parametrize(
    ("text", "stream"),
    [
        (
            "h264 (High), yuvj420p(pc, progressive), 640x480, 30 fps, 30 tbr, 1k tbn, start 0.033",
            Stream(30.0, "pc"),
        ),
        (
            "h264 (High) (avc1 / 0x31637661), yuv420p(tv, smpte170m, progressive), 768x432, "
            "614 kb/s, 12.50 fps, 12.50 tbr, 25k tbn (default)",
            Stream(12.5, "tv", "smpte170m", "smpte170m", "smpte170m"),
        ),
        (
            "hevc, yuv420p10le(tv, bt2020nc/bt2020/smpte2084), 3840x2160, 59.94 fps",
            Stream(59.94, "tv", "bt2020nc", "bt2020", "smpte2084"),
        ),
        (
            "h264, yuv420p(tv, bt470bg/unknown/smpte170m, top first), 720x576, 25 fps",
            Stream(25.0, "tv", "bt470bg", None, "smpte170m"),
        ),
        ("h264 (High), yuv420p(progressive), 640x360 [SAR 1:1 DAR 16:9], 29.83 fps", Stream(29.83)),
        ("mjpeg, yuv420p, 64x48, 1k fps, 1k tbr", Stream(1000.0)),
        ("rawvideo (RGB[24] / 0x18424752), rgb24, 64x48", Stream()),
    ],
)
def test_rate_and_colours_are_read_from_the_line_of_the_stream(text: str, stream: Stream) -> None:
    assert parse_stream(text) == stream


def test_the_first_real_video_stream_before_the_outputs_counts() -> None:
    banner = Banner()
    for line in [
        "[info]   Duration: 01:02:03.50, start: 0.000000, bitrate: 101 kb/s",
        "[info]   Stream #0:0: Audio: aac, 48000 Hz",
        "[info]   Stream #0:1: Video: mjpeg, yuvj420p(pc), 300x300, 90k tbn (attached pic)",
        "[info]   Stream #0:2: Video: h264, yuv420p(tv, bt709), 64x48, 25 fps",
        "[info]   Stream #0:3: Video: h264, yuv420p(tv, bt709), 64x48, 50 fps",
        "[info] Output #1, framecrc, to 'pipe:3':",
        "[info]   Stream #1:0: Video: wrapped_avframe, yuv420p, 64x48, 10 fps",
    ]:
        assert not banner.complete.is_set() or "#1:0" in line
        banner.read(line)
    assert banner.complete.is_set()
    assert banner.duration == 3723.5
    assert banner.stream == Stream(25.0, "tv", "bt709", "bt709", "bt709")


def test_a_stream_without_a_known_length_has_none() -> None:
    banner = Banner()
    banner.read("[info]   Duration: N/A, start: 0.000000, bitrate: N/A")
    assert banner.duration is None
