"""Every command that reads a flow reads its variables from --env-file, too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowrun.cli import main

FLOW = """\
source: ${CAMERA}
transport: {mode: unary, address: embedded, model: "${MODEL}"}
sink: null
limits: {frames: 3}
"""
COMMANDS = [["run"], ["validate"], ["validate", "--imports"], ["graph"], ["explain"]]
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAMERA", raising=False)
    monkeypatch.setenv("MODEL", "grayscale")
    Path("flow.yaml").write_text(FLOW)
    Path("cams.env").write_text("CAMERA=test:64x48@30\nMODEL=edges\n")
    Path("wrong.env").write_text("CAMERA=test\nMODEL\n")


@pytest.mark.parametrize("command", [*COMMANDS, ["bench", "--frames", "1"]])
def test_a_command_reads_variables_from_a_file(command: list[str]) -> None:
    assert main([*command, "flow.yaml", "--env-file", "cams.env"]) == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_missing_or_wrong_is_an_error_of_usage(
    command: list[str], capsys: Output
) -> None:
    assert main([*command, "flow.yaml", "--env-file", "none.env"]) == 2
    assert capsys.readouterr().err == "flowrun: error: --env-file none.env: there is no such file\n"
    assert main([*command, "flow.yaml", "--env-file", "wrong.env"]) == 2
    assert capsys.readouterr().err.startswith("flowrun: error: wrong.env:2: expected NAME=VALUE")


def test_the_environment_wins(capsys: Output) -> None:
    assert main(["explain", "flow.yaml", "--format", "json", "--env-file", "cams.env"]) == 0
    values = json.loads(capsys.readouterr().out)["values"]
    found = {each["key"]: each["value"] for each in values}
    assert found["source.uri"] == "test:64x48@30"
    assert found["transport.model"] == "grayscale"
