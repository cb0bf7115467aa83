"""docs/gallery.md has an entry and a picture for each flow; the command that makes them works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from docs.images import gallery

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs/images"
PICTURES = sorted(path for path in IMAGES.iterdir() if path.suffix in {".jpg", ".png"})


def test_every_flow_has_an_entry_and_a_picture_and_the_page_is_up_to_date() -> None:
    assert gallery.problems(IMAGES) == []


def test_the_check_reports_a_missing_picture(tmp_path: Path) -> None:
    found = gallery.problems(tmp_path)
    assert "page.png is missing: run `python -m docs.images page`" in found
    assert len([each for each in found if "is missing" in each]) == len(gallery.names())


def test_the_check_reports_a_flow_without_entry_and_a_page_out_of_date(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = gallery.problems(IMAGES)
    monkeypatch.delitem(gallery.ENTRIES, "quickstart")
    assert set(gallery.problems(IMAGES)) - set(before) == {
        "flows/quickstart.yaml has no entry: add it to ENTRIES in docs/images/gallery.py",
        "docs/gallery.md is out of date: run `python -m docs.images`",
    }


def test_no_picture_is_left_over_and_all_are_small() -> None:
    assert [path.name for path in PICTURES] == sorted(map(gallery.picture_of, gallery.names()))
    assert max(path.stat().st_size for path in PICTURES) <= 60_000
    assert sum(path.stat().st_size for path in PICTURES) <= 1_000_000


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("chromium")
def test_the_command_makes_every_picture_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "docs.images", "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = sorted(path for path in tmp_path.iterdir() if path.suffix in {".jpg", ".png"})
    assert [path.name for path in made] == [path.name for path in PICTURES]
    for new, old in zip(made, PICTURES, strict=True):
        assert new.stat().st_size <= 60_000, new
        if new.suffix == ".jpg":  # the figures of a screenshot are always different ones
            assert abs(pixels(new) - pixels(old)).mean() < 4, new
        else:
            assert pixels(new).shape == pixels(old).shape
