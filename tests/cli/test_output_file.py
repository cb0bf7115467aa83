"""`--summary` and `report` replace no flow and no file of another kind."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flowrun.chain.parts import Parts
from flowrun.cli import main

FLOW = """\
source: test:64x48@30
transport: {mode: unary, address: embedded, model: identity}
sink: null
limits: {frames: 5}
"""
LINKS = os.name != "nt"  # where they need a privilege
SUMMARY = {"flow": "f", "captured": 0, "delivered": 0}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flow.yaml").write_text(FLOW)
    Path("other.yml").write_text("# mine\n" + FLOW)
    Path("flow.json").write_text('{"source": "test"}')
    if LINKS:
        Path("link.json").symlink_to("flow.yaml")
    Path("notes.txt").write_text("mine\n")
    Path("old.json").write_text(json.dumps(SUMMARY))
    Path("folder").mkdir()


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


REFUSED = [
    ("flow.yaml", "this is the flow\n  choose another path"),
    ("./flow.yaml", "this is the flow\n  choose another path"),
    *([("link.json", "this is the flow\n  choose another path")] if LINKS else []),
    ("other.yml", "the file is a flow and is not replaced\n  choose another path"),
    ("flow.json", "the file is a flow and is not replaced\n  choose another path"),
    ("folder", "Is a directory"),
    ("nowhere/s.json", "No such file or directory"),
]


@pytest.mark.parametrize("words", [[], ["-y"]], ids=["without -y", "with -y"])
@pytest.mark.parametrize(("target", "text"), REFUSED, ids=[target for target, _ in REFUSED])
def test_a_summary_that_cannot_be_written_or_would_replace_a_flow_is_an_error_before_the_run(
    target: str, text: str, words: list[str], capsys: Any
) -> None:
    before = contents()
    assert main(["flow.yaml", "--summary", target, *words]) == 2
    assert capsys.readouterr().err == f"flowrun: error: --summary {target}: {text}\n"
    assert contents() == before


def test_a_summary_replaces_another_file_only_with_y(capsys: Any) -> None:
    before = contents()
    assert main(["flow.yaml", "--summary", "notes.txt"]) == 2
    assert capsys.readouterr().err == (
        "flowrun: error: --summary notes.txt: the file exists and is not a summary\n"
        "  choose another path, or replace it with -y\n"
    )
    assert contents() == before
    assert main(["flow.yaml", "--summary", "notes.txt", "-y"]) == 0
    assert json.loads(Path("notes.txt").read_text())["delivered"] == 5


def test_a_summary_replaces_an_earlier_one_and_an_empty_file(capsys: Any) -> None:
    Path("empty").touch()
    for target in ("old.json", "empty", "new.json", "old.json"):
        assert main(["flow.yaml", "--summary", target]) == 0
        assert json.loads(Path(target).read_text())["delivered"] == 5


@pytest.mark.parametrize("source", ["test", "in.mp4"])
def test_a_summary_at_the_path_of_a_sink_or_of_the_source_is_an_error(
    source: str, capsys: Any
) -> None:
    Path("in.mp4").write_text("precious")
    Path("flow.yaml").write_text(FLOW.replace("test:64x48@30", source).replace("null", "a.jsonl"))
    target, use = (
        ("./in.mp4", "the source reads") if source == "in.mp4" else ("./a.jsonl", "a sink writes")
    )
    assert main(["flow.yaml", "--summary", target, "-y"]) == 2
    assert capsys.readouterr().err == (
        f"flowrun: error: --summary {target}: {use} this file\n  choose another path\n"
    )
    assert Path("in.mp4").read_text() == "precious"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no full device")
def test_a_summary_that_fails_at_the_end_is_exit_code_1(capsys: Any) -> None:
    assert main(["flow.yaml", "--summary", "/dev/full"]) == 1
    assert "error: --summary /dev/full: No space left on device" in capsys.readouterr().err


def test_a_run_that_ends_by_a_bug_has_a_summary(capsys: Any, monkeypatch: Any) -> None:
    def broken(*_: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(Parts, "open_source", broken)
    assert main(["flow.yaml", "--summary", "run.json"]) == 70
    summary = json.loads(Path("run.json").read_text())
    assert (summary["exit_code"], summary["error"]) == (70, "ValueError: a bug")
    assert "this is a bug in flowrun" in capsys.readouterr().err


def test_y_overwrites_the_files_of_the_sinks(capsys: Any) -> None:
    Path("flow.yaml").write_text(FLOW.replace("null", "[a.jsonl, b.jsonl]"))
    Path("b.jsonl").write_text("old\n")
    assert main(["flow.yaml"]) == 1
    assert "sink[1]: b.jsonl exists and is not overwritten" in capsys.readouterr().err
    assert (Path("b.jsonl").read_text(), Path("a.jsonl").exists()) == ("old\n", False)
    assert main(["flow.yaml", "-y"]) == 0
    assert len(Path("b.jsonl").read_text().splitlines()) == 5


def test_a_report_replaces_an_earlier_one_and_another_file_only_with_y(capsys: Any) -> None:
    assert main(["flow.yaml", "--summary", "run.json"]) == 0
    for _ in range(2):
        assert main(["report", "run.json"]) == 0
    before = contents()
    capsys.readouterr()
    for target, why in (
        ("notes.txt", "the file exists and is not a report"),
        ("run.json", "the file exists and is not a report"),
        ("flow.yaml", "the file is a flow and is not replaced"),
        ("nowhere/a.html", "No such file or directory"),
    ):
        assert main(["report", "run.json", "-o", target]) == 2
        assert capsys.readouterr().err.startswith(f"flowrun: error: {target}: {why}\n")
    assert main(["report", "run.json", "-o", "flow.yaml", "-y"]) == 2
    assert contents() == before
    assert main(["report", "run.json", "-o", "notes.txt", "-y"]) == 0
    assert Path("notes.txt").read_text().startswith("<!DOCTYPE html>")
