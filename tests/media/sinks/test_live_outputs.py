"""What ffmpeg gets for each protocol of live streams."""

from __future__ import annotations

import pytest

from flowrun.frame import VideoInfo
from flowrun.media.sinks.live_outputs import OUTPUTS, output_of, waits_for_caller
from flowrun.spec.kinds import sink_kind

INFO = VideoInfo(64, 48)


@pytest.mark.parametrize(
    ("uri", "muxer"),
    [
        ("rtsp://h/1", "rtsp"), ("rtsps://h/1", "rtsp"), ("rtmp://h/live/1", "flv"),
        ("rtmps://h/live/1", "flv"), ("srt://h:9000", "mpegts"), ("udp://h:9000", "mpegts"),
    ],
)  # fmt: skip
def test_each_protocol_has_its_muxer(uri: str, muxer: str) -> None:
    arguments = output_of(uri).arguments(uri, INFO)
    assert arguments[arguments.index("-f") + 1] == muxer
    assert arguments[-1].startswith(uri)


def test_every_scheme_of_the_flow_is_in_the_table() -> None:
    assert {sink_kind(f"{scheme}://h:1/a") for scheme in OUTPUTS} == {"rtsp", "stream"}


@pytest.mark.parametrize(
    ("uri", "sent"),
    [
        ("udp://h:1", "udp://h:1?pkt_size=1316"),
        ("udp://h:1?ttl=3", "udp://h:1?ttl=3&pkt_size=1316"),
        ("udp://h:1?pkt_size=188", "udp://h:1?pkt_size=188"),
    ],
)
def test_a_datagram_has_whole_packets_of_the_transport_stream(uri: str, sent: str) -> None:
    assert output_of(uri).arguments(uri, INFO)[-1] == sent


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("srt://0.0.0.0:9000?mode=listener", True),
        ("srt://h:9000?latency=9&mode=listener", True),
        ("srt://h:9000?mode=caller", False),
        ("srt://h:9000", False),
    ],
)
def test_a_listener_waits_for_its_caller(uri: str, expected: bool) -> None:
    assert waits_for_caller(uri) is expected
