"""A file plays if a frame of it can be decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowrun.media.ffmpeg.playable import count_frames, plays


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.webm", "a.mov", "a.ts", "a:b.mp4"])
def test_a_finished_file_plays(make: Any, name: str) -> None:
    made: Path = make("in.mkv" if ":" in name else name)
    path = made.rename(made.with_name(name))
    assert plays(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.ts"])
def test_the_complete_frames_of_a_file_are_counted(make: Any, tmp_path: Path, name: str) -> None:
    whole = make(name)
    frames = count_frames(whole)
    assert frames is not None
    assert frames > 2
    cut = tmp_path / f"cut-{name}"
    content = whole.read_bytes()
    for size in (len(content) // 2, len(content) // 4, 0):
        cut.write_bytes(content[:size])
        fewer = count_frames(cut)
        assert fewer is not None
        assert fewer < frames
        frames = fewer + 1
    assert fewer == 0


def test_a_file_without_its_index_or_without_a_frame_does_not_play(
    make: Any, tmp_path: Path
) -> None:
    whole = make("whole.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: whole.index(b"moov") - 4])
    empty = tmp_path / "empty.mkv"
    empty.touch()
    assert not plays(cut)
    assert not plays(empty)
    assert not plays(tmp_path / "missing.mp4")
