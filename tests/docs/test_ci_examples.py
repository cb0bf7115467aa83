"""The pre-commit hook and the GitHub workflow, run as a script."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from flowrun.cli import main

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "examples/github_actions/flows.yaml"
TESTS = WORKFLOW.with_name("tests.yaml")
HOOKS = ROOT / ".pre-commit-hooks.yaml"
LIMIT = 90  # seconds for one step; a guard against hanging
BROKEN = """\
version: 1
sorce: test
transport: {mode: unary, address: embedded, model: edges}
sink: null
"""


@pytest.fixture(autouse=True)
def _repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository with one flow is the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("flows").mkdir()
    shutil.copy(ROOT / "flows/quickstart.yaml", "flows")
    Path("flows/labels.yml").write_text("- face\n")


def steps(workflow: Path = WORKFLOW) -> dict[str, str]:
    """The shell steps of the workflow by name, without the one that installs flowrun."""
    (job,) = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    found = {step["name"]: step["run"] for step in job["steps"] if "run" in step}
    assert "pip install flowrun-kserve" in found.pop("Install flowrun")
    return found


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a step as GitHub does, with the flowrun that is tested."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    command = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m flowrun "$@"\n'
    (programs / "flowrun").write_text(command)
    (programs / "flowrun").chmod(0o755)
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_steps_of_the_workflow_work_as_a_script(tmp_path: Path) -> None:
    for name, script in steps().items():
        done = run(script, tmp_path)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert Path("run.html").stat().st_size > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_steps_of_the_workflow_for_tests_work_as_a_script(tmp_path: Path) -> None:
    test = (
        "extends: quickstart.yaml\nsink: 'null'\nlimits: {frames: 5}\nexpect: {delivered: 100%}\n"
    )
    Path("flows/quickstart.test.yaml").write_text(test)
    for name, script in steps(TESTS).items():
        done = run(script, tmp_path)
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    assert "<testcase" in Path("tests.xml").read_text()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_workflow_shows_a_problem_at_its_line(tmp_path: Path) -> None:
    Path("flows/broken.yaml").write_text(BROKEN)
    done = run(steps()["Validate all flows"], tmp_path)
    assert done.returncode == 78
    assert done.stdout.startswith(
        "::error file=flows/broken.yaml,line=2,col=1,title=invalid flow::"
    )


def hook() -> dict[str, Any]:
    (found,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_pre_commit_hook_checks_the_files_that_it_gets() -> None:
    program, *words = shlex.split(hook()["entry"])
    assert program == "flowrun"
    assert main([*words, "flows/quickstart.yaml"]) == 0
    Path("flows/broken.yaml").write_text(BROKEN)
    assert main([*words, "flows/quickstart.yaml", "flows/broken.yaml"]) == 78


@pytest.mark.parametrize(
    ("path", "chosen"),
    [("flows/a.yaml", True), ("flows/b/c.yml", True), ("docs/flows/a.yaml", False)],
)
def test_the_pre_commit_hook_is_for_the_directory_flows(path: str, chosen: bool) -> None:
    assert bool(re.search(hook()["files"], path)) == chosen
    assert hook()["types"] == ["yaml"]
