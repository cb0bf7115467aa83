"""The names of a pattern: every name that it makes matches, and no other."""

from __future__ import annotations

import os
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowrun.media.file_pattern import FilePattern
from flowrun.spec import strftime

ZONES = [timezone.utc, timezone(timedelta(hours=5, minutes=45)), timezone(-timedelta(hours=3))]
TIMES = st.datetimes(
    datetime(1970, 1, 2),
    datetime(2999, 12, 31),
    timezones=st.sampled_from(ZONES),
)
SIGNS = st.sampled_from([*strftime.SIGNS, *strftime.SHORT, "%"]).map(lambda sign: f"%{sign}")
PARTS = st.lists(SIGNS | st.sampled_from(["-", "_", ".", "a1", "(", "é", "cam"]), min_size=1)
PATTERNS = st.lists(PARTS.map("".join), min_size=1, max_size=3).map(
    lambda parts: "/".join(f"x{part}" for part in parts) + ".mp4"
)
AT = datetime(2026, 11, 29, 14, 5, 9, 120, tzinfo=timezone.utc)


def found(pattern: FilePattern) -> list[str]:
    return sorted(
        Path(entry.path).relative_to(pattern.base).as_posix() for entry in pattern.files()
    )


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@given(PATTERNS, TIMES, st.integers(0, 12))
def test_a_name_that_the_pattern_makes_always_matches(text: str, at: datetime, number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pattern = FilePattern(f"{folder}/{text}")
        path = pattern.name(at, number)
        touch(path)
        assert found(pattern) == [path.relative_to(pattern.base).as_posix()]
        assert not list(pattern.unfinished())
        after = pattern.next_number(at)
        assert after > number
        assert not pattern.name(at, after).exists()


NAMES = st.from_regex(r"\d{4,7}(-\d{0,2}){0,2}(\.part|\.2)?\.(mp4|mkv)x?", fullmatch=True)


@given(NAMES)
@example("235959-10.mp4")
@example("240000.mp4")
@example("235960.mp4")
@example("120000-0.mp4")
@example("120000-01.mp4")
def test_a_name_matches_only_if_the_pattern_can_make_it(name: str) -> None:
    stem, _, number = name.removesuffix(".mp4").partition("-")
    try:
        at = datetime.strptime(stem, "%H%M%S").replace(tzinfo=timezone.utc)
        made = FilePattern("%H%M%S.mp4").name(at, int(number or 0))
    except ValueError:
        made = None
    with tempfile.TemporaryDirectory() as folder:
        touch(Path(folder, name))
        assert found(FilePattern(f"{folder}/%H%M%S.mp4")) == ([name] if str(made) == name else [])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("rec/%Y-%m-%d/%H%M%S.mp4", "rec/2026-11-29/140509.mp4"),
        ("rec/%F_%T.%f.mkv", "rec/2026-11-29_14:05:09.000120.mkv"),
        ("%a %A %b %B %p%I.mp4", "Sun Sunday Nov November PM02.mp4"),
        ("%G-W%V-%u %j %y %s%z.ts", "2026-W48-7 333 26 1795961109+0000.ts"),
        ("100%%-%%H.mp4", "100%-%H.mp4"),
        ("/rec/100%%/%d/cam 1.mp4", "/rec/100%/29/cam 1.mp4"),
    ],
)
def test_signs_become_the_time(text: str, name: str) -> None:
    assert FilePattern(text).name(AT) == Path(name)


def test_the_base_is_the_folder_of_all_names() -> None:
    assert FilePattern("a/b%%/%Y/c/%d.mp4").base == Path("a/b%")
    assert FilePattern("a/b/c.mp4").base == Path("a/b")
    assert FilePattern("%H.mp4").base == Path()


def test_files_of_others_do_not_match(tmp_path: Path) -> None:
    pattern = FilePattern(f"{tmp_path}/%Y-%m-%d/cam1_%Y%m%d-%H.mp4")
    for name in (
        *("2026-11-29/cam1_20261129-14.mp4", "2026-11-29/cam1_20261129-14-3.mp4"),  # its own
        *("2026-11-29/cam1_20251129-14.mp4", "2026-11-29/cam2_20261129-14.mp4"),
        *("2026-11-29/cam1_20261129-14.part.mp4", "2026-11-29/cam1_20261129-14.mp4.bak"),
        *("2026-11-29/cam1_20261129-14.MP4", "2026-11-29 copy/cam1_20261129-14.mp4"),
        *("2026-13-29/cam1_20261329-14.mp4", "cam1_20261129-14.mp4"),
        "2026-11-29/more/cam1_20261129-14.mp4",
    ):
        touch(tmp_path / name)
    (tmp_path / "2026-11-29/cam1_20261129-15.mp4").mkdir()
    assert found(pattern) == [
        "2026-11-29/cam1_20261129-14-3.mp4",
        "2026-11-29/cam1_20261129-14.mp4",
    ]
    assert [entry.name for entry in pattern.unfinished()] == ["cam1_20261129-14.part.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
def test_symbolic_links_do_not_match(tmp_path: Path) -> None:
    other = tmp_path / "other/14.mp4"
    touch(other)
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec/2026").symlink_to(other.parent)
    (tmp_path / "rec/2027").mkdir()
    (tmp_path / "rec/2027/14.mp4").symlink_to(other)
    assert found(FilePattern(f"{tmp_path}/rec/%Y/%H.mp4")) == []


def test_numbers_continue_after_the_highest_one(tmp_path: Path) -> None:
    pattern = FilePattern(f"{tmp_path}/a.mp4")
    assert pattern.next_number(AT) == 0
    touch(tmp_path / "a.part.mp4")
    assert pattern.next_number(AT) == 1
    touch(tmp_path / "a-7.mp4")
    touch(tmp_path / "a-x.mp4")
    assert pattern.next_number(AT) == 8
