"""`keep` deletes the oldest files of its pattern, and nothing else."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from flowrun.media.file_pattern import FilePattern
from flowrun.media.sinks.retention import Retention
from flowrun.spec.flow import Keep

NOW = 1_800_000_000.0


@pytest.fixture
def rec(tmp_path: Path) -> Any:
    """`rec("name", age, size)` makes a file that was written `age` seconds ago."""

    def rec(name: str, age: float, size: int = 1000) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        os.utime(path, (NOW - age, NOW - age))

    return rec


def retention(folder: Path, keep: Keep, text: str = "%Y/%m/%d.mp4") -> Retention:
    return Retention(FilePattern(f"{folder}/{text}"), keep, "sink", lambda: NOW)


def left(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*"))


def test_files_older_than_the_duration_are_deleted_with_the_folders_that_this_empties(
    tmp_path: Path, rec: Any
) -> None:
    rec("2025/12/31.mp4", 300)
    rec("2026/01/01.mp4", 200)
    rec("2026/01/01-1.mp4", 100)
    rec("2026/02/01.mp4", 50)
    (tmp_path / "2024/01").mkdir(parents=True)  # was empty before
    retention(tmp_path, Keep(seconds=99)).apply()
    assert left(tmp_path) == ["2024", "2024/01", "2026", "2026/02", "2026/02/01.mp4"]


def test_files_of_others_stay_and_keep_their_folders(tmp_path: Path, rec: Any) -> None:
    own = ["2026/01/02.mp4"]
    others = [
        *("holiday.mp4", "2026/notes.txt", "2026/01/32.mp4", "2026/01/01.part.mp4"),
        *("2026/01/01.mkv", "2026/01/01 (copy).mp4", "2026/1/01.mp4", "26/01/01.mp4"),
    ]
    for name in (*own, *others):
        rec(name, 10_000)
    retention(tmp_path, Keep(seconds=1)).apply()
    assert [name for name in left(tmp_path) if (tmp_path / name).is_file()] == sorted(others)


def test_the_oldest_files_beyond_the_amount_are_deleted_by_their_time_not_their_name(
    tmp_path: Path, rec: Any
) -> None:
    for age, name in enumerate(["2026/01/05.mp4", "2026/01/01.mp4", "2026/01/03.mp4"]):
        rec(name, age)
    retention(tmp_path, Keep(bytes=2000)).apply()
    assert left(tmp_path / "2026/01") == ["01.mp4", "05.mp4"]


def test_an_amount_that_is_too_small_keeps_the_newest_file(tmp_path: Path, rec: Any) -> None:
    rec("2026/01/01.mp4", 2)
    rec("2026/01/02.mp4", 1, size=5000)
    retention(tmp_path, Keep(bytes=10)).apply()
    assert left(tmp_path / "2026/01") == ["02.mp4"]


def test_a_file_from_the_future_is_not_old(tmp_path: Path, rec: Any) -> None:
    rec("2040/01/01.mp4", -1e9)
    retention(tmp_path, Keep(seconds=1)).apply()
    assert (tmp_path / "2040/01/01.mp4").exists()


def test_what_would_be_deleted_is_logged_and_not_deleted_yet(
    tmp_path: Path, rec: Any, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, "flowrun")
    rec("2026/01/01.mp4", 300, 1_500_000)
    rec("2026/01/02.mp4", 200, 1_500_000)
    rec("2026/01/03.mp4", 10, 1_500_000)
    retention(tmp_path, Keep(seconds=100)).announce()
    assert caplog.messages == [
        f"sink.keep: 3 files (4.5 MB) match {tmp_path}/%Y/%m/%d.mp4; 2 of them (3.0 MB) will be"
        f" deleted, from {tmp_path}/2026/01/01.mp4 to {tmp_path}/2026/01/02.mp4"
    ]
    assert len(list(tmp_path.rglob("*.mp4"))) == 3


def test_a_file_that_cannot_be_deleted_is_one_warning(
    tmp_path: Path, rec: Any, caplog: Any, monkeypatch: Any
) -> None:
    rec("2026/01/01.mp4", 300)
    rec("2026/01/02.mp4", 200)
    unlink = Path.unlink

    def refuse(path: Path) -> None:
        if path.name == "01.mp4":
            raise PermissionError(13, "Permission denied")
        unlink(path)

    monkeypatch.setattr(Path, "unlink", refuse)
    kept = retention(tmp_path, Keep(seconds=100))
    kept.apply()
    kept.apply()
    file = tmp_path / "2026/01/01.mp4"
    assert caplog.messages == [f"sink.keep: {file} cannot be deleted: Permission denied"]
    assert left(tmp_path / "2026/01") == ["01.mp4"]


def test_without_signs_the_numbered_files_are_the_pattern(tmp_path: Path, rec: Any) -> None:
    for age, name in ((30, "a.mp4"), (20, "a-1.mp4"), (10, "a-2.mp4"), (99, "b.mp4")):
        rec(name, age)
    retention(tmp_path, Keep(seconds=15), "a.mp4").apply()
    assert left(tmp_path) == ["a-2.mp4", "b.mp4"]
