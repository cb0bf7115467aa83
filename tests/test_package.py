"""What is installed: the distribution, its command and its version."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import flowrun

ROOT = Path(__file__).parents[1]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_the_distribution_installs_the_command_and_has_the_version_of_the_package() -> None:
    installed = distribution("flowrun-kserve")
    assert installed.version == flowrun.__version__
    (command,) = installed.entry_points.select(group="console_scripts")
    assert (command.name, command.value) == ("flowrun", "flowrun.cli:main")


def test_the_version_stands_in_one_place() -> None:
    assert 'dynamic = ["version"]' in PROJECT
    assert f'"{flowrun.__version__}"' not in PROJECT


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_command_prints_its_version(flag: str) -> None:
    command = [sys.executable, "-m", "flowrun", flag]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"flowrun {flowrun.__version__}\n"


def test_the_licence_is_the_one_that_the_metadata_names() -> None:
    assert 'license = "Apache-2.0"' in PROJECT
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_no_hint_installs_the_project_that_has_the_name_flowrun_on_the_public_index() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("flows/*.yaml")]
    pages += [*ROOT.glob("flowrun/**/*.py"), *ROOT.glob("schemas/*.json"), ROOT / "pyproject.toml"]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        wrong = re.findall(r"install [^\n&]*\bflowrun(?![-_/\w.])", text)
        assert not wrong, path
        assert "flowrun[" not in text, path
