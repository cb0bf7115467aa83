"""Modules beside the flow: which are found, and that two flows do not share those of one name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrun.spec.dotted_path import DottedPathError, resolve
from flowrun.spec.load import load_flow

FLOW = "version: 1\nsource: test\ntransport: {mode: unary, address: embedded, model: edges}\n"


@pytest.fixture(autouse=True)
def _search_path() -> Iterator[None]:
    before = list(sys.path)
    yield
    resolve("json:dumps")  # which leaves the folders of the test
    sys.path[:] = before


def module(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return str(folder)


def test_a_module_beside_the_flow_is_found(folder: Path) -> None:
    assert resolve("sp_beside:a", [module(folder / "flows", "sp_beside", "a = 1\n")]) == 1


def test_the_working_directory_comes_before_the_folders_of_the_flow(folder: Path) -> None:
    module(folder, "sp_order", "a = 'working directory'\n")
    assert resolve("sp_order:a", [module(folder / "flows", "sp_order", "a = 'flow'\n")]) == (
        "working directory"
    )


def test_the_folders_of_a_flow_come_before_the_installed_packages_but_hide_no_standard_library(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    installed = tmp_path_factory.mktemp("a") / "site-packages"
    sys.path.append(module(installed, "sp_installed", "a = 'installed'\n"))
    flows = module(folder / "flows", "sp_installed", "a = 'flow'\n")
    module(folder / "flows", "this", "a = 1\n")
    assert resolve("sp_installed:a", [flows]) == "flow"
    with pytest.raises(DottedPathError, match="'this' has no 'a'"):
        resolve("this:a", [flows])


def test_modules_of_one_name_beside_two_flows_are_two(folder: Path) -> None:
    one = module(folder / "one", "sp_same", "from sp_helper import a\n")
    module(folder / "one", "sp_helper", "a = 1\n")
    two = module(folder / "two", "sp_same", "from sp_helper import a\n")
    module(folder / "two", "sp_helper", "a = 2\n")
    (folder / "two" / "sp_package").mkdir()
    module(folder / "two" / "sp_package", "__init__", "")
    module(folder / "two" / "sp_package", "below", "a = 3\n")
    assert resolve("sp_same:a", [one]) == 1
    assert resolve("sp_same:a", [two]) == 2
    assert resolve("sp_package.below:a", [two]) == 3
    with pytest.raises(DottedPathError, match="no module 'sp_package'"):
        resolve("sp_package.below:a", [one])
    assert resolve("sp_same:a", [one]) == 1


def test_a_module_of_one_flow_is_imported_once(folder: Path) -> None:
    flows = module(folder / "flows", "sp_once", "class A: pass\n")
    assert resolve("sp_once:A", [flows]) is resolve("sp_once:A", [flows])


def test_where_modules_are_searched_is_reported(folder: Path) -> None:
    flows = module(folder / "flows", "sp_known", "a = 1\n")
    with pytest.raises(DottedPathError) as caught:
        resolve("nothing_like_it:a", [flows])
    assert caught.value.hint == f"looked in {folder}, {flows} and in the installed packages"
    with pytest.raises(DottedPathError) as caught:
        resolve("sp_knwon:a", [flows])
    assert caught.value.hint == "did you mean 'sp_known'?"


def test_the_folders_of_a_flow_are_those_of_its_files(folder: Path) -> None:
    module(folder / "base", "sp_unused", "")
    (folder / "base" / "base.yaml").write_text(f"{FLOW}preprocess: [resize]\nsink: 'null'\n")
    module(folder / "flows", "sp_unused", "")
    path = folder / "flows" / "flow.yaml"
    path.write_text("extends: ../base/base.yaml\n")
    flow = load_flow(path)
    folders = (str(folder / "flows"), str(folder / "base"))
    assert flow.transport.folders == flow.preprocess[0].folders == folders
