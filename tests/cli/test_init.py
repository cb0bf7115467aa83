"""`flowrun init` writes flows that are valid as they are, and replaces nothing unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowrun.cli import main
from flowrun.cli.init import FOLDER, TEMPLATES
from flowrun.spec.load import load_flow

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_template_has_its_file() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{t}.yaml" for t in TEMPLATES)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_is_a_commented_flow_that_is_valid_without_any_variable(
    template: str, capsys: Output
) -> None:
    assert main(["init", "cam", "--template", template]) == 0
    assert f"cam.yaml written, from the template `{template}`" in capsys.readouterr().err
    text = Path("cam.yaml").read_text(encoding="utf-8")
    assert "FLOW.yaml" not in text
    assert text.count("# ") > 5
    assert load_flow("cam.yaml", environ={}).name == "cam"
    assert main(["validate", "--imports", "cam.yaml"]) == 0


@pytest.mark.parametrize(
    ("template", "needs", "words"),
    [
        ("file", "numpy", []),
        ("rtsp", "numpy", ["--input-stream", "test:64x48@30", "--set", "sink=null"]),
        ("detector", "cv2", []),
    ],
)
def test_a_template_runs_without_a_server(template: str, needs: str, words: list[str]) -> None:
    pytest.importorskip(needs)
    assert main(["init", "--template", template]) == 0
    assert main(["flow.yaml", "--limit-frames", "3", *words]) == 0


@pytest.mark.parametrize(
    ("name", "file"),
    [([], "flow.yaml"), (["a"], "a.yaml"), (["a.yml"], "a.yml"), (["a.b"], "a.b.yaml")],
)
def test_the_file_is_named_by_the_argument(name: list[str], file: str) -> None:
    assert main(["init", *name]) == 0
    assert [path.name for path in Path().iterdir()] == [file]


def test_a_file_is_replaced_only_with_y(capsys: Output) -> None:
    Path("flow.yaml").write_text("mine\n")
    assert main(["init"]) == 2
    assert capsys.readouterr().err == (
        "flowrun: error: flow.yaml: the file exists\n  choose another name, or replace it with -y\n"
    )
    assert Path("flow.yaml").read_text() == "mine\n"
    assert main(["init", "-y"]) == 0
    assert Path("flow.yaml").read_text() != "mine\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--template", "rstp"],
            "there is no template `rstp`\n  did you mean `rtsp`?\n  templates:\n    file  ",
        ),
        (["--template", "x"], "there is no template `x`\n  templates:\n    file  "),
        (
            ["folder"],
            f"folder is a directory\n  name a file in it, such as {Path('folder/flow.yaml')}",
        ),
        (["nowhere/a"], f"{Path('nowhere/a.yaml')}: No such file or directory\n"),
    ],
)
def test_what_cannot_be_written_is_an_error_of_usage(
    words: list[str], error: str, capsys: Output
) -> None:
    Path("folder").mkdir()
    assert main(["init", *words]) == 2
    assert capsys.readouterr().err.startswith(f"flowrun: error: {error}")
    assert not list(Path().rglob("*.yaml"))
