"""The command `flowrun validate` as a whole."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flowrun.cli import main


@pytest.mark.parametrize("flag", ["--imports", "--live"])
def test_a_check_that_is_interrupted_prints_nothing(
    flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("interrupting.py").write_text(
        "import _thread\n_thread.interrupt_main()\nraise ImportError\n"
    )
    Path("flow.yaml").write_text(
        "source: test:64x48@30\n"
        "preprocess: ['interrupting:hook']\n"
        "transport: {mode: unary, address: embedded, model: identity}\n"
        "sink: null\n"
    )
    assert main(["validate", flag, "flow.yaml"]) == 130
    assert capsys.readouterr() == ("", "")
    assert "interrupting" not in sys.modules
