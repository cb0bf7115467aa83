"""Numbered pictures are read in order, whatever their numbers are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import SourceError
from flowrun.media.sources import make_source
from flowrun.media.sources.pictures import is_pattern, numbered, picture_list
from flowrun.spec.flow import SourceSpec


def read(spec: SourceSpec, most: int = 1000) -> tuple[Any, list[Any]]:
    source = make_source(spec)
    try:
        info, frames = source.open(), []
        for frame in source:
            frames.append(frame)
            if len(frames) == most:
                break
    finally:
        source.close()
    return info, frames


@pytest.mark.parametrize("name", ["%04d.png", "%d.jpg", "a b'%5d.JPG", "100%_%03d.bmp"])
def test_pictures_are_read_at_25_fps_from_the_lowest_number(
    make: Any, tmp_path: Path, name: str
) -> None:
    make(name.replace("100%", "100%%"), "-start_number", "7", source="testsrc=s=64x48:r=25")
    info, frames = read(SourceSpec(str(tmp_path / name)))
    assert (info.width, info.height, info.fps, info.frames, info.live) == (64, 48, 25, 20, False)
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(20)])
    assert frames[0].image.tobytes() != frames[19].image.tobytes()


@pytest.mark.parametrize("name", ["%04d.png", "%04d.jpg"])
def test_both_decoders_play_them_at_the_rate_of_the_flow(
    make: Any, tmp_path: Path, name: str, decoder: Any
) -> None:
    make(name)
    spec = SourceSpec(str(tmp_path / name), fps=30.0, decoder=decoder)
    info, frames = read(spec)
    assert info.fps == 30
    assert [frame.time for frame in frames] == pytest.approx([n / 30 for n in range(20)])
    _, expected = read(SourceSpec(str(tmp_path / name), decoder="ffmpeg"))
    assert all((a.image == b.image).all() for a, b in zip(frames, expected, strict=True))


def test_they_start_again_with_loop(make: Any, tmp_path: Path, decoder: Any) -> None:
    make("%04d.png", "-frames:v", "3")
    _, frames = read(SourceSpec(str(tmp_path / "%04d.png"), loop=True, decoder=decoder), most=50)
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(50)])
    assert (frames[0].image == frames[20].image).all()


def test_pictures_after_a_gap_are_read_and_the_gaps_are_logged_once(
    make: Any, tmp_path: Path, caplog: Any, decoder: Any
) -> None:
    make("%04d.png")
    for number in (3, 4, 10):
        (tmp_path / f"{number:04}.png").unlink()
    uri = str(tmp_path / "%04d.png")
    _, frames = read(SourceSpec(uri, decoder=decoder))
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(17)])
    assert caplog.messages == [
        f"source: the numbers of {uri} have 2 gap(s), the first after 2; "
        "the pictures are read as if there was none"
    ]


def test_a_pattern_without_a_picture_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.png").write_bytes(b"")
    for uri in ("%04d.png", "none/%04d.png"):
        with pytest.raises(SourceError) as raised:
            read(SourceSpec(uri, decoder=decoder))
        assert raised.value.reason == "not found"
        assert str(raised.value) == (
            f"source: there is no file {uri}, and no picture whose name matches this pattern\n"
            f"  relative paths start at the working directory, {tmp_path}"
        )


def test_a_file_with_the_name_of_a_pattern_is_a_file(
    make: Any, tmp_path: Path, decoder: Any
) -> None:
    (tmp_path / "a%d.png").write_bytes(make("b.png", "-frames:v", "1", "-update", "1").read_bytes())
    make("c%d.mp4")
    for name, count in (("a%d.png", 1), ("c%d.mp4", 20)):
        _, frames = read(SourceSpec(str(tmp_path / name), decoder=decoder))
        assert len(frames) == count


def test_nothing_is_left_in_the_temporary_directory(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("%04d.png")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    read(SourceSpec(str(tmp_path / "%04d.png")))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("uri", "matches"),
    [
        ("%d.png", True), ("a/%04d.jpeg", True), ("a%b/c%03d_x.TIF", True), ("%d%d.png", True),
        ("a.png", False), ("%04d", False), ("%04d.mp4", False), ("%d/a.png", False),
        ("%s.png", False), ("http://h/%04d.png", False),
    ],
)  # fmt: skip
def test_a_number_in_the_name_of_a_picture_makes_a_pattern(uri: str, matches: bool) -> None:
    assert is_pattern(uri) is matches


@given(st.sets(st.integers(0, 12_000), min_size=1, max_size=20), st.integers(0, 5))
def test_numbers_are_found_as_printf_writes_them(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int], digits: int
) -> None:
    folder = tmp_path_factory.mktemp("pictures")
    for number in numbers:
        (folder / f"a{number:0{digits}}.png").touch()
    for other in ("a.png", "a-1.png", "a0000000001.png", "a1.jpg", "b1.png", "a1x.png", "a².png"):
        (folder / other).touch()
    found = numbered(str(folder / f"a%0{digits}d.png"))
    assert list(found) == sorted(numbers)
    assert all(Path(path).is_file() for path in found.values())


@given(st.integers(1, 300), st.floats(0.1, 1000))
def test_the_durations_of_pictures_do_not_drift(count: int, fps: float) -> None:
    lines = picture_list(["a.png"] * count, fps).splitlines()
    durations = [int(line.split()[1][:-2]) for line in lines if line.startswith("duration")]
    assert sum(durations) == pytest.approx(count * 1e6 / fps, abs=1)
