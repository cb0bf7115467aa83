"""HDR sources are tone-mapped to BT.709, the same by both decoders."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowrun.frame import Frame, VideoInfo
from flowrun.image.scaling import scaled_frame
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks import open_sink
from flowrun.media.sources import make_source
from flowrun.media.tone_map import TRANSFERS, tone_mapped
from flowrun.spec.flow import SinkSpec, SourceSpec

PAPER = {"smpte2084": 0.5807, "arib-std-b67": 0.75}  # the signal of 203 cd/m2 (BT.2408)
SIGNAL = "65535*X/W"
FETCHED = {"probesize": 5_000_000}  # an option of ffmpeg, which then reads the file


@pytest.fixture(params=TRANSFERS)
def transfer(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ramps(make: Any, transfer: str) -> Path:
    """From black to full in 256 steps: grey, and below it orange. 10 bits, as HDR10 and HLG."""
    filters = (
        f"format=gbrp16,geq=r='{SIGNAL}':g='{SIGNAL}*(1-0.2*gt(Y,31))':b='{SIGNAL}*(1-0.4*gt(Y,31))',"
        "scale=out_color_matrix=bt2020:out_range=tv:flags=accurate_rnd,format=yuv444p10,"
        f"setparams=colorspace=bt2020nc:color_primaries=bt2020:color_trc={transfer}:range=tv"
    )
    codec = ("-c:v", "libx265", "-x265-params", "lossless=1:log-level=none")
    source = "nullsrc=s=256x64:r=25"
    made: Path = make("hdr.mkv", "-vf", filters, *codec, "-t", "0.12", source=source)
    return made


def opened(path: Path, **keys: Any) -> tuple[VideoInfo, list[Frame]]:
    source = make_source(SourceSpec(str(path), **keys))
    info = source.open()
    assert info is not None
    return info, list(source)


def wanted(transfer: str) -> Any:
    grey = np.linspace(0, 255 / 256, 256)[:, None] * [1.0, 1.0, 1.0]
    signal = np.stack([grey, grey * [1.0, 0.8, 0.6]])
    return tone_mapped(signal, transfer) * 255


def test_paper_is_nearly_white_and_grey_stays_grey(transfer: str) -> None:
    signal = np.array([0.0, PAPER[transfer], 1.0])[:, None] * np.ones(3)
    mapped = tone_mapped(signal, transfer) * 255
    assert mapped == pytest.approx(np.array([[0.0], [230.0], [255.0]]) * np.ones(3), abs=0.6)
    levels = tone_mapped(np.linspace(0, 1, 1024)[:, None] * np.ones(3), transfer)
    assert (np.diff(levels, axis=0) >= -1e-9).all()
    assert np.ptp(levels, axis=1).max() < 0.001


def test_the_primaries_of_bt2020_stay_red_green_and_blue(transfer: str) -> None:
    mapped = tone_mapped(np.eye(3) * PAPER[transfer], transfer)
    assert (mapped[~np.eye(3, dtype=bool)] == 0).all()
    assert (mapped.max(-1) > 0.6).all()


@pytest.mark.parametrize("own", [{}, FETCHED], ids=["direct", "fetched"])
def test_frames_are_tone_mapped_and_labelled(
    ramps: Path, transfer: str, own: Any, decoder: Any
) -> None:
    info, frames = opened(ramps, decoder=decoder, ffmpeg=own)
    assert info.tone_mapped == TRANSFERS[transfer]
    assert (info.color_space, info.color_primaries, info.color_transfer) == ("bt709",) * 3
    assert len(frames) == 3
    found = frames[0].image[[10, 50]]
    difference = abs(found - wanted(transfer))
    assert difference.max() <= 6  # 33 points per axis, 10 bits
    assert difference.mean() < 1
    assert abs(np.diff(found[0, :, 1].astype(int))).max() <= 4  # no bands


def test_a_scaled_picture_is_tone_mapped_too(ramps: Path, transfer: str, decoder: Any) -> None:
    _, frames = opened(ramps, decoder=decoder)
    small = scaled_frame(frames[0], (128, 32))
    assert abs(small[5, 2:-2] - wanted(transfer)[0].reshape(128, 2, 3).mean(1)[2:-2]).max() <= 4
    _, frames = opened(ramps, decoder=decoder, size=(128, 32))
    rows = [5, 26]  # grey, orange
    assert abs(frames[0].image[rows].astype(int) - small[rows]).max() <= 4


@pytest.mark.usefixtures("pyav")
def test_both_decoders_make_the_same_pictures(ramps: Path) -> None:
    found, like = (opened(ramps, decoder=decoder)[1] for decoder in ("av", "ffmpeg"))
    for frame, other in zip(found, like, strict=True):
        assert frame.time == other.time
        assert abs(frame.image.astype(int) - other.image).max() <= 1


def test_tone_map_false_leaves_values_and_labels(
    ramps: Path, transfer: str, decoder: Any, caplog: Any
) -> None:
    info, frames = opened(ramps, decoder=decoder, tone_map=False)
    assert info.tone_mapped is None
    assert (info.color_space, info.color_transfer) == ("bt2020nc", transfer)
    assert abs(frames[0].image[10, :, 0] - np.arange(256)).max() <= 2
    assert not caplog.messages


def test_an_sdr_source_is_left_as_it_is(make: Any, decoder: Any) -> None:
    path = make("a.mp4", "-colorspace", "bt709", "-color_trc", "bt709")
    left, frames = opened(path, decoder=decoder)
    assert left.tone_mapped is None
    _, others = opened(path, decoder=decoder, tone_map=False)
    assert (frames[0].image == others[0].image).all()


def test_the_log_says_it_once(ramps: Path, transfer: str, decoder: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    opened(ramps, decoder=decoder)
    assert caplog.messages == [
        f"source: {ramps} is HDR ({TRANSFERS[transfer]}); it is converted to SDR, unless"
        " `source.tone_map` is false"
    ]


def test_a_recording_of_an_hdr_source_is_labelled_bt709(
    ramps: Path, decoder: Any, encoder: Any
) -> None:
    info, frames = opened(ramps, decoder=decoder)
    path = ramps.with_name("out.mp4")
    sink = open_sink(SinkSpec(str(path), encoder=encoder, quality=5), SinkContext(info))
    for frame in frames:
        sink.write(frame)
    sink.close()
    written, pictures = opened(path)
    assert (written.color_space, written.color_primaries, written.color_transfer) == (
        ("bt709",) * 3
    )
    assert abs(pictures[0].image[10].astype(int) - frames[0].image[10]).max() <= 6


def test_the_table_may_be_anywhere_and_is_deleted(
    ramps: Path, decoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ramps.parent / "a b, c;[d]'e'"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    info, frames = opened(ramps, decoder=decoder)
    assert info.tone_mapped
    assert frames[0].image.any()
    del frames
    gc.collect()
    assert not list(folder.iterdir())
