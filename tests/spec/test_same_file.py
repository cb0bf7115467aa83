"""Paths to one file are found in every spelling, and are an error of the flow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from flowrun.spec.same_file import identity

FLOW = "source: {source}\ntransport: {{mode: unary, address: 'localhost:9000', model: m}}\n"


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a privilege there")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.mp4", "a.mp4"),
        ("a.mp4", "./a.mp4"),
        ("a.mp4", "new/../a.mp4"),
        ("a.jsonl", "{here}/a.jsonl"),
        ("folder/a.mkv", "link/a.mkv"),
        ("there.mp4", "link.mp4"),
        ("there.mp4", "hard.mp4"),
    ],
)
def test_two_sinks_with_one_file_are_an_error_at_the_second(
    complain: Any, tmp_path: Path, one: str, other: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "there.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("there.mp4")
    (tmp_path / "hard.mp4").hardlink_to(tmp_path / "there.mp4")
    other = other.replace("{here}", str(tmp_path))
    sinks = f"sink:\n  - {one}\n  - 'null'\n  - uri: {other}\n"
    (problem,) = complain(FLOW.format(source="test") + sinks)
    assert problem.startswith("flow.yaml:6:10: error: `sink[2]` is '")
    assert "', the same file as `sink[0]`\n" in problem
    assert problem.endswith("\n    give each sink a file of its own")


def test_different_files_and_the_same_address_twice_are_no_error(load: Any) -> None:
    load(FLOW.format(source="in.mp4") + "sink: [a.mp4, b.mp4, a.jsonl, 'null', 'null', sub/a.mp4]")


def test_a_sink_that_is_the_source_is_an_error_though_it_may_overwrite(
    complain: Any, tmp_path: Path
) -> None:
    (tmp_path / "in.mp4").touch()
    flow = FLOW.format(source="in.mp4") + "sink: {uri: ./in.mp4, overwrite: true}\n"
    (problem,) = complain(flow)
    assert problem == (
        "flow.yaml:3:13: error: `sink` is './in.mp4', the same file as `source`\n"
        "    sink: {uri: ./in.mp4, overwrite: true}\n"
        "                ^\n"
        "    a sink cannot write the file that the source reads: choose another path"
    )


def test_an_override_that_makes_two_files_one_is_an_error(complain: Any) -> None:
    flow = FLOW.format(source="test") + "sink: [a.mp4, b.mp4]\n"
    (problem,) = complain(flow, ["sink.1=a.mp4"])
    assert problem.startswith("--set:1:8: error: `sink[1]` is 'a.mp4', the same file as `sink[0]`")


def test_case_is_ignored_for_new_files_where_file_systems_usually_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for platform in ("darwin", "win32"):
        assert identity("A.mp4", platform) == identity("a.MP4", platform)
        assert identity("u\u0308.mp4", platform) == identity("\u00fc.mp4", platform)
    assert identity("A.mp4", "linux") != identity("a.mp4", "linux")
    assert identity("a.mp4", "linux") == os.path.realpath("a.mp4")
    assert identity("a\0.mp4") == "a\0.mp4"
