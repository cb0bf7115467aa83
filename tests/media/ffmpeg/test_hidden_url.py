"""A URL with a password reaches ffmpeg, and no argument shows it."""

from __future__ import annotations

import pytest

from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.hidden_url import hide_url
from flowrun.media.sources.http import http_input
from flowrun.media.sources.rtsp import rtsp_input
from flowrun.media.sources.stream import stream_input
from flowrun.spec.flow import SourceSpec


@pytest.mark.parametrize(
    "uri",
    ["rtsp://viewer:pa'ss@host/a", "RTSPS://host/a?token=pa'ss", "rtsp://viewer:pa'ss@host/?x=1"],
)
def test_the_url_and_the_options_of_its_demuxer_are_in_a_list(uri: str) -> None:
    spec = SourceSpec(uri, ffmpeg={"max_delay": 500000, "buffer_size": 4096, "hwaccel": "none"})
    for command in (
        commands.fetch(spec, rtsp_input(spec)),
        commands.decode(spec, rtsp_input(spec), "pipe:7"),
    ):
        arguments, listed = hide_url(command, uri)
        assert "ss@" not in " ".join(arguments)
        assert "pa'ss" not in " ".join(arguments)
        at = arguments.index("-i")
        assert arguments[at + 1] == "pipe:0"
        assert arguments[at + 2 :] == command[command.index("-i") + 2 :]
        assert ("-hwaccel" in arguments) == ("-hwaccel" in command)
        assert not {"-rtsp_transport", "-buffer_size"} & set(arguments)
        lines = listed.decode().splitlines()
        assert lines[:2] == ["ffconcat version 1.0", "file '" + uri.replace("'", r"'\''") + "'"]
        assert {
            "option rtsp_transport 'tcp'",
            "option buffer_size '4096'",
            "option max_delay '500000'",
            "option fpsprobesize '0'",
        } <= set(lines)


@pytest.mark.parametrize(
    ("uri", "options"),
    [
        ("rtmp://viewer:pa'ss@host/app/key", {"rtmp_live": "live"}),
        ("RTMPS://host/app/key?token=pa'ss", {"rtmp_live": "live"}),
        ("srt://host:9000?passphrase=pa'ss_word", {"latency": "live"}),
        ("srt://host:9000", {"passphrase": "pa'ss_word", "latency": "live"}),
    ],
)
def test_the_url_and_the_options_of_rtmp_and_srt_are_in_a_list(
    uri: str, options: dict[str, str]
) -> None:
    spec = SourceSpec(uri, ffmpeg=options)
    arguments, listed = hide_url(commands.fetch(spec, stream_input(spec)), uri)
    assert "pa'ss" not in " ".join(arguments)
    assert not {"-rtmp_live", "-latency"} & set(arguments)
    lines = listed.decode().splitlines()
    assert lines[1] == "file '" + uri.replace("'", r"'\''") + "'"
    for name, value in options.items():
        assert f"option {name} '" + value.replace("'", r"'\''") + "'" in lines


def test_a_url_without_a_secret_is_an_argument() -> None:
    spec = SourceSpec("rtsp://host:8554/a?channel=1")
    command = commands.fetch(spec, rtsp_input(spec))
    assert hide_url(command, spec.uri) == (command, b"")
    spec = SourceSpec("http://viewer:pass@host/a")  # whose length the list would lose
    command = commands.fetch(spec, http_input(spec))
    assert hide_url(command, spec.uri) == (command, b"")
