"""Live streams over RTMP, SRT, UDP and RTP, sent by a real ffmpeg."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from flowrun.media.ffmpeg.process import executable
from flowrun.media.sources import make_source
from flowrun.spec.flow import SourceSpec

# Options of the sender, and the URLs that it and the source use; the server is who is reached.
WAYS = {
    "udp": (("-f", "mpegts"), "udp://{}?pkt_size=1316", "udp://{}"),
    "rtp": (("-f", "rtp_mpegts"), "rtp://{}", "rtp://{}"),
    "srt": (("-f", "mpegts"), "srt://{}?mode=listener", "srt://{}"),
    "rtmp": (("-f", "flv", "-listen", "1"), "rtmp://{}/live/a", "rtmp://{}/live/a"),
}


@pytest.fixture
def send(make: Any, free_address: Callable[[], str]) -> Iterator[Callable[[str], str]]:
    """`send(way)`: play a recording again and again, in real time; the URL to read it at."""
    recording: Path = make("in.mp4", "-c:v", "libx264", "-g", "5", "-bf", "0")
    with ExitStack() as stack:

        def send(way: str) -> str:
            options, there, here = WAYS[way]
            address = free_address()
            command = [executable(), "-nostdin", "-loglevel", "error", "-re", "-stream_loop", "-1"]
            process = subprocess.Popen(
                [*command, "-i", str(recording), "-c", "copy", *options, there.format(address)]
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return here.format(address)

        yield send


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_is_waited_for_live_and_continuous(
    send: Callable[[str], str], decoder: str, way: str
) -> None:
    spec = SourceSpec(send(way), decoder=decoder, open_timeout=30.0)  # type: ignore[arg-type]
    assert spec.live
    source = make_source(spec)
    info = source.open()
    assert info is not None
    assert (info.width, info.height, info.live) == (64, 48, True)
    frames = list(islice(source, 30))
    source.close()
    times = [frame.time for frame in frames]
    assert times[0] == 0
    assert times == sorted(times)
    assert {frame.image.shape for frame in frames} == {(48, 64, 3)}
