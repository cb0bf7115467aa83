"""What is typed: commands, options, and their misspellings."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from flowrun.cli import COMMANDS, main

FLOW = """\
source: test:64x48@30
transport: {mode: unary, address: embedded, model: identity}
sink: null
limits: {frames: 3}
"""
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("flow.yaml").write_text(FLOW)


@pytest.mark.parametrize("words", [["flow.yaml"], ["run", "flow.yaml"]])
def test_a_flow_is_run_with_and_without_the_word_run(words: list[str], capsys: Output) -> None:
    assert main([*words, "--limit-frames", "2"]) == 0
    assert "captured 2 = delivered 2" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-"], ["run", "-"], ["validate", "-"], ["explain", "-"]])
def test_a_flow_may_come_from_standard_input(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(FLOW.encode())))
    assert main(words) == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"sorce: test\n")))
    assert main(words) == 78
    assert "<stdin>:1:1: error: unknown key `sorce`" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["valdate", "flow.yaml"], "there is no command and no file `valdate`\n  {validate}"),
        (["grahp"], "there is no command and no file `grahp`\n  {graph}"),
        (["flow"], "there is no command and no file `flow`\n  {flow.yaml}"),
        (
            ["frobnicate", "flow.yaml"],
            "there is no command and no file `frobnicate`\n  commands: " + ", ".join(COMMANDS),
        ),
        (["flow.yaml", "--summery", "x"], "`flowrun` has no option `--summery`\n  {--summary}"),
        (["run", "flow.yaml", "--sett=a=1"], "`flowrun` has no option `--sett`\n  {--set}"),
        (["flow.yaml", "-summary"], "`flowrun` has no option `-summary`\n  {--summary}"),
        (["--versoin"], "`flowrun` has no option `--versoin`\n  {--version}"),
        (["validate", "--import"], "`flowrun validate` has no option `--import`\n  {--imports}"),
        (
            ["devices", "--frobnicate"],
            "`flowrun devices` has no option `--frobnicate`\n"
            "  `flowrun devices --help` lists the options",
        ),
        (
            ["flow.yaml", "other.yaml"],
            "`other.yaml` is one argument too many\n  `flowrun --help` lists the options",
        ),
    ],
)
def test_a_misspelling_is_an_error_of_usage_that_names_the_nearest(
    words: list[str], message: str, capsys: Output
) -> None:
    assert main(words) == 2
    expected = message.replace("{", "did you mean `").replace("}", "`?")
    assert capsys.readouterr() == ("", f"flowrun: error: {expected}\n")


def test_a_path_is_no_command(capsys: Output) -> None:
    assert main(["./valdate"]) == 78
    assert capsys.readouterr().err == "./valdate:1:1: error: there is no such file\n"
    Path("valdate").write_text(FLOW)
    assert main(["valdate"]) == 0


def test_a_value_may_look_like_an_option(capsys: Output) -> None:
    assert main(["explain", "flow.yaml", "--set", "name=--summery"]) == 0
    assert main(["explain", "flow.yaml", "--set=name=--summery", "--set", "--a b=c"]) == 78
    assert "unknown key `--a b`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["validate", "a.yaml", "--format", "jsno"],
            "argument --format: invalid choice: 'jsno' (choose from 'text', 'json', 'github')\n"
            "  did you mean `json`?",
        ),
        (
            ["a.yaml", "--log-level", "7"],
            "argument --log-level: invalid choice: '7' (choose from 'debug', 'info', 'warning',"
            " 'error')\n  `flowrun --help` lists the options",
        ),
        (
            ["a.yaml", "--summary"],
            "argument --summary: expected one argument\n  `flowrun --help` lists the options",
        ),
    ],
)
def test_a_wrong_value_of_an_option_is_a_usage_error_without_the_usage(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == f"flowrun: error: {message}\n"


@pytest.mark.parametrize("words", [["run", "flwo"], ["validate", "flwo"], ["flow.yml"]])
def test_a_flow_that_does_not_exist_names_the_nearest_file(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.yaml").touch()
    assert main(words) == 78
    said = capsys.readouterr()
    assert "there is no such file\n    did you mean `flow.yaml`?\n" in said.out + said.err
