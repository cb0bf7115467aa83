from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from flowrun.errors import UsageError
from flowrun.up.flow_set import read_flows, stamps

FLOW = "transport: {mode: unary, address: embedded, model: identity}\nsink: 'null'\nversion: 1\n"


def test_a_flow_depends_on_the_files_that_it_extends(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(FLOW)
    (tmp_path / "cam.yaml").write_text("extends: base.yaml\nsource: test\n")
    (entry,) = read_flows([str(tmp_path)], {}).entries
    assert entry.loaded is not None
    assert entry.files == {str(tmp_path / "cam.yaml"), str(tmp_path / "base.yaml")}


def test_so_does_one_with_an_error_in_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "base.yml").write_text(f"{FLOW}limts: 3\n")
    (tmp_path / "cam.yaml").write_text("extends: base.yml\nsource: test\n")
    (entry,) = read_flows([str(tmp_path / "cam.yaml")], {}).entries
    assert entry.loaded is None
    assert str(tmp_path / "base.yml") in entry.files


def test_flows_that_are_tests_are_skipped_in_a_directory(tmp_path: Path) -> None:
    for name in ("cam.yaml", "cam.test.yaml"):
        (tmp_path / name).write_text(f"{FLOW}source: test\n")
    found = read_flows([str(tmp_path)], {})
    assert [entry.file.name for entry in found.entries] == ["cam.yaml"]
    assert found.skipped == 1


def test_a_flow_that_a_test_extends_is_run_and_a_directory_of_tests_is_a_problem(
    tmp_path: Path,
) -> None:
    (tmp_path / "base.yaml").write_text(FLOW)
    (tmp_path / "cam.yaml").write_text("extends: base.yaml\nsource: test\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/cam.test.yaml").write_text("extends: ../cam.yaml\nlimits: {frames: 3}\n")
    found = read_flows([str(tmp_path)], {})
    assert [entry.file.name for entry in found.entries] == ["cam.yaml"]
    found = read_flows([str(tmp_path / "tests")], {})
    assert found.entries == []
    assert [problem.message for problem in found.problems] == [
        "the only flows here are tests (`*.test.yaml`)"
    ]
    named = [str(tmp_path / "tests/cam.test.yaml")]
    assert len(read_flows(named, {}).entries) == 1


def test_standard_input_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError, match="standard input"):
        read_flows(["-"], {})


def test_stamps_change_with_each_file_and_with_their_number(tmp_path: Path) -> None:
    flow, base = tmp_path / "a.yaml", tmp_path / "base.txt"
    flow.write_text(FLOW)
    seen = [stamps([str(tmp_path)], [str(base)])]
    base.write_text("x")
    seen.append(stamps([str(tmp_path)], [str(base)]))
    os.utime(flow, (1, 1))
    seen.append(stamps([str(tmp_path)], [str(base)]))
    (tmp_path / "b.yml").write_text(FLOW)
    seen.append(stamps([str(tmp_path)], [str(base)]))
    assert all(one != other for one, other in itertools.pairwise(seen))
    assert seen[-1] == stamps([str(tmp_path)], [str(base)])
