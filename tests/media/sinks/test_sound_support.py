"""What the table says of each container is what ffmpeg does."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import pytest

from flowrun.errors import InvalidFlowError
from flowrun.media.ffmpeg.matroska import SOUND_CODECS
from flowrun.media.protocols import SinkContext, SourceContext
from flowrun.media.sinks import open_sink
from flowrun.media.sinks.sound_support import CONTAINERS, LIVE, check_sound
from flowrun.media.sound_queue import SoundTap
from flowrun.media.sources import make_source
from flowrun.sound import SoundFormat
from flowrun.spec.flow import SinkSpec, SourceSpec
from flowrun.spec.kinds import SINK_PATTERNS
from tests.testbed.sound import clip, heard

HELD = [(codec, suffix) for suffix, codecs in CONTAINERS.items() for codec in sorted(codecs)]
HELD += [(codec, ".m3u8") for codec in sorted(LIVE["hls"])]
COMMON = [("aac", ".mp4"), ("pcm_alaw", ".mkv"), ("opus", ".webm")]
STEP = 0.04  # seconds


def of(codec: str) -> SoundFormat:
    return SoundFormat(codec, 48_000, 1)


@pytest.mark.usefixtures("pyav")
@pytest.mark.parametrize(
    ("codec", "suffix"),
    [pytest.param(*each, marks=() if each in COMMON else pytest.mark.slow) for each in HELD],
)
def test_every_codec_is_copied_into_every_container_that_holds_it(
    tmp_path: Path, codec: str, suffix: str
) -> None:
    path = clip(tmp_path / ("in.mov" if codec == "pcm_s16be" else "in.mkv"), 1.2, codec)
    tap, out = SoundTap(), tmp_path / f"out{suffix}"
    with closing(make_source(SourceSpec(str(path)), SourceContext(sound=True))) as source:
        info = source.open()
        assert info is not None
        assert info.sound is not None
        context = SinkContext(info, sound=tap.queue(info.sound, "sink"))
        sink = open_sink(SinkSpec(str(out), audio="copy"), context)
        for frame in tap.frames(source):
            sink.write(frame)
        sink.close()
    before, after = heard(path), heard(out)
    assert len(before.packets) - len(after.packets) <= 1
    assert after.out_of_step() <= STEP + 1e-6


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_container_that_cannot_hold_the_sound_is_named_with_those_that_can(suffix: str) -> None:
    spec = SinkSpec(f"out{suffix}", audio="copy")
    with pytest.raises(InvalidFlowError) as raised:
        check_sound(spec, of("pcm_mulaw"), "sink[1]")
    assert raised.value.key == "sink[1].audio"
    assert raised.value.message == f"{suffix} cannot hold the sound of the source (pcm_mulaw)"
    assert raised.value.hint == "`.mkv` or `.mov` can, or remove the key"


def test_sound_that_cannot_be_sent_at_all_is_an_error() -> None:
    with pytest.raises(InvalidFlowError, match=r"\(amr_nb\) cannot be copied"):
        check_sound(SinkSpec("out.mkv", audio="copy"), of("amr_nb"), "sink")


@pytest.mark.parametrize("spec", [SinkSpec("out.mp4"), SinkSpec("rtmp://host/live/1")])
def test_sound_that_is_not_copied_needs_no_support(spec: SinkSpec) -> None:
    check_sound(spec, of("amr_nb"), "sink")


@pytest.mark.parametrize(
    "uri", ["rtsp://h/1", "rtsps://h/1", "rtmp://h/1", "rtmps://h/1", "srt://h:1", "udp://h:1"]
)
def test_every_live_stream_holds_aac(uri: str) -> None:
    check_sound(SinkSpec(uri, audio="copy"), of("aac"), "sink")


def test_every_kind_of_file_is_in_the_table_except_avi() -> None:
    named = re.findall(r"\((\w+(?:\|\w+)+)\)", SINK_PATTERNS["video"])[0].split("|")
    assert {f".{each}" for each in named} == {*CONTAINERS, ".avi"}


def test_every_codec_in_the_table_can_be_sent_to_the_encoder() -> None:
    assert set().union(*CONTAINERS.values(), *LIVE.values()) == set(SOUND_CODECS)
