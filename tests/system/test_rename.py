"""Renaming never replaces a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flowrun.system.rename import rename_aside, rename_new


@pytest.fixture(params=[True, False], ids=["hard links", "no hard links"], autouse=True)
def _links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not request.param:
        monkeypatch.setattr(os, "link", unsupported)


def test_a_new_name_is_given_and_an_existing_file_is_not_replaced(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    rename_new(one, two)
    assert (one.exists(), two.read_text()) == (False, "1")
    one.write_text("new")
    with pytest.raises(FileExistsError):
        rename_new(one, two)
    assert (one.read_text(), two.read_text()) == ("new", "1")


def test_a_missing_file_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rename_new(tmp_path / "missing", tmp_path / "new")
    assert os.listdir(tmp_path) == []


def test_the_first_free_number_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.part.mp4"
    for number in (1, 2, 3):
        path.write_text(f"{number}")
        assert rename_aside(path, path) == tmp_path / f"a.part-{number}.mp4"
    assert sorted(os.listdir(tmp_path)) == [f"a.part-{n}.mp4" for n in (1, 2, 3)]
    assert (tmp_path / "a.part-2.mp4").read_text() == "2"
