"""An RTSP server that refuses a transport is read over the other one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flowrun.errors import SourceError
from flowrun.media.sources import make_source
from flowrun.spec.flow import Reconnect, SourceSpec
from tests.testbed.rtsp_transport import one_transport


@pytest.fixture
def recording(make: Any) -> Path:
    options = (
        "-c:v",
        "libx264",
        "-bf",
        "0",
        "-g",
        "5",
        "-x264-params",
        "slices=1:sliced-threads=0",
    )
    path: Path = make("a.h264", *options)
    return path


@pytest.mark.parametrize(("asked", "supported"), [("tcp", "udp"), ("udp", "tcp")])
def test_a_refused_transport_is_replaced_by_the_other_and_logged_once(
    recording: Path, asked: Any, supported: Any, decoder: Any, caplog: Any
) -> None:
    with one_transport(recording, supported) as server:
        spec = SourceSpec(
            server.url, rtsp_transport=asked, decoder=decoder, read_timeout=2.0,
            reconnect=Reconnect(initial=0.01),
        )  # fmt: skip
        with closing(make_source(spec)) as source:
            info = source.open()
            assert info is not None
            assert (info.width, info.height) == (64, 48)
            line = (
                f"source: {server.url} does not support rtsp_transport: {asked}; using {supported}"
            )
            assert caplog.messages == [line]
            frames = iter(source)
            next(frames)
            server.disconnect()
            while source.reconnects == 0:
                next(frames)
        assert server.setups == [asked, supported, supported]
        assert caplog.messages.count(line) == 1


def test_a_server_that_supports_none_ends_the_run(recording: Path, decoder: Any) -> None:
    with one_transport(recording, "") as server:
        source = make_source(SourceSpec(server.url, decoder=decoder))
        with closing(source), pytest.raises(SourceError) as raised:
            source.open()
        assert server.setups == ["tcp", "udp"]
    assert raised.value.reason == "unsupported transport"
    assert str(raised.value) == (
        f"source: {server.url} cannot be read: method SETUP failed: 461 (Unsupported Transport);"
        " Error opening input: Protocol not supported\n"
        "  the server refuses both tcp and udp as `source.rtsp_transport`"
    )


def test_a_supported_transport_is_used_without_a_message(recording: Path, caplog: Any) -> None:
    with one_transport(recording, "udp") as server:
        with closing(make_source(SourceSpec(server.url, rtsp_transport="udp"))) as source:
            assert source.open() is not None
        assert server.setups == ["udp"]
    assert caplog.messages == []
