"""The command `flowrun validate` as a whole."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from flowrun.cli import main


@pytest.mark.parametrize("flag", ["--imports", "--live"])
def test_a_check_that_is_interrupted_prints_nothing(
    flag: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
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


@pytest.mark.parametrize(
    ("hook", "message"),
    [
        ("{hook: letterbox, with: {sise: 300x300}}", "letterbox has no option `sise`"),
        (
            "{hook: letterbox, with: {size: 300}}",
            "`preprocess[0].with.size` is 300, expected a",
        ),
        ("letterbox", "letterbox needs the option `size`"),
    ],
)
def test_options_of_the_hooks_that_flowrun_brings_are_checked_without_imports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hook: str, message: str
) -> None:
    path = tmp_path / "flow.yaml"
    hooks = f"[{hook}, 'no_such_module:hook']"
    path.write_text(
        f"version: 1\nsource: test\npreprocess: {hooks}\nsink: null\n"
        "transport: {mode: unary, address: embedded, model: identity}\n"
    )
    assert main(["validate", str(path)]) == 78
    said = capsys.readouterr().out
    assert message in said
    assert f"{path}:3:" in said
    assert "there is no module" not in said


def test_a_flow_that_may_deliver_frames_unblurred_is_valid_with_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "flow.yaml"
    path.write_text(
        "source: test\npostprocess: [decode_ssd, blur]\nsink: null\n"
        "transport:\n  {mode: unary, address: 'localhost:9000', model: faces,\n"
        "   on_error: passthrough}\n"
    )
    assert main(["validate", str(path)]) == 0
    said = capsys.readouterr().out
    assert f"{path}:6:14: note: transport.on_error: passthrough delivers frames that" in said
    assert "write `drop`" in said
