"""The page for people who change flowrun names what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs/architecture.md", ROOT / "CONTRIBUTING.md"]
PATH = re.compile(r"`((?:flowrun|tests|docs|schemas|flows|benchmarks|\.ci)/[\w./]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_on_the_page_exists(page: Path) -> None:
    paths = PATH.findall(page.read_text(encoding="utf-8"))
    assert paths
    missing = [path for path in paths if "NAME" not in path and not (ROOT / path).exists()]
    assert not missing


def test_every_package_has_its_line_in_the_list_of_packages() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    packages = {
        path.parent.relative_to(ROOT / "flowrun") for path in ROOT.glob("flowrun/*/__init__.py")
    }
    for package in packages:
        assert re.search(rf"\b{package}/", text), package


def test_every_marker_of_the_tests_is_explained() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    markers = re.findall(r'^    "(\w+): ', project, re.MULTILINE)
    text = PAGES[1].read_text(encoding="utf-8")
    assert markers
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)) == set(markers)
