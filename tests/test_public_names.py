"""The public names of flowrun, and what is imported before they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import flowrun
from flowrun.spec.load import load_flow


def test_every_public_name_exists_and_is_declared() -> None:
    for name in flowrun.__all__:
        assert getattr(flowrun, name).__name__ == name
    tree = ast.parse(Path(flowrun.__file__).read_text(encoding="utf-8"))
    declared = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert declared == set(flowrun.__all__) == set(flowrun._MODULES)


LIBRARIES = "{'numpy', 'grpc', 'PIL', 'reactivex', 'tritonclient', 'imageio_ffmpeg', 'ctypes'}"


def loaded(words: list[str], suspects: str, folder: Path) -> list[str]:
    """What the command line prints, and in the last line which of `suspects` it has imported."""
    code = (
        "import contextlib, sys; from flowrun.cli import main\n"
        "with contextlib.suppress(SystemExit): main(sys.argv[1:])\n"
        f"print(sorted({suspects} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=folder,
    )
    return done.stdout.splitlines()


FLOWS = sorted((Path(flowrun.__file__).parents[1] / "flows").glob("*.yaml"))


def test_validating_a_flow_imports_nothing_that_only_a_run_needs(tmp_path: Path) -> None:
    plain = [str(path) for path in FLOWS if not load_flow(path, environ={}).postprocess]
    said = loaded(["validate", *plain], LIBRARIES, tmp_path)
    assert said[-2:] == [f"{len(plain)} flows checked: no problems", "[]"]


def test_checking_the_options_of_hooks_imports_what_pictures_need_and_no_transport(
    tmp_path: Path,
) -> None:
    said = loaded(["validate", *map(str, FLOWS)], LIBRARIES, tmp_path)
    assert said[-2] == f"{len(FLOWS)} flows checked: no problems"
    assert said[-1] == "['PIL', 'ctypes', 'numpy']"


def test_the_help_does_not_import_the_flow_parser(tmp_path: Path) -> None:
    suspects = LIBRARIES[:-1] + ", 'yaml', 'jsonschema', 'flowrun.spec.flow', 'tempfile'}"
    said = loaded(["--help"], suspects, tmp_path)
    assert said[0].startswith("usage: flowrun [run] FLOW.yaml")
    assert said[-1] == "[]"
