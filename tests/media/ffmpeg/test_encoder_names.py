"""Names of encoders, checked before anything is written."""

from __future__ import annotations

import pytest

from flowrun.errors import InvalidFlowError
from flowrun.media.ffmpeg.encoder_names import check_codec, encoder_names
from flowrun.spec.flow import SinkSpec


@pytest.mark.parametrize("name", [None, "libx264", "mpeg4", "h264", "ffv1"])
def test_encoders_and_codecs_that_ffmpeg_knows_are_accepted(name: str | None) -> None:
    check_codec(SinkSpec("out.mp4", codec=name), "sink")


def test_no_encoder_of_sound_is_a_video_encoder() -> None:
    assert "aac" not in encoder_names()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("H264", "did you mean `h264`?"),
        ("libx246", "did you mean `libx264`?"),
        ("divx", "did you mean `mpeg4`?"),
        ("copy", "frames are encoded anew, as they have changed"),
        ("qqqqqq", "such as `libx264`, `libx265`, `mpeg4`"),
    ],
)
def test_an_unknown_name_is_an_error_that_says_what_is_right(name: str, hint: str) -> None:
    with pytest.raises(InvalidFlowError) as raised:
        check_codec(SinkSpec("out.mp4", codec=name), "sink[1]")
    assert str(raised.value).startswith(f"sink[1].codec: ffmpeg has no video encoder {name!r}")
    assert hint in str(raised.value)
