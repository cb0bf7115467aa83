"""`flowrun hooks`: what it prints, and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from flowrun.cli import main
from flowrun.spec.hook_options import hooks


def test_hooks_are_listed_by_stage_with_options_types_and_defaults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["hooks", "draw_clock", "resize", "color_order"]) == 0
    assert capsys.readouterr() == (
        "preprocess:\n"
        "  resize: Stretch the image to the model's input size.\n"
        "    size    string|array (required): The width and the height in pixels, `640x640` or"
        " `[640, 640]`.\n"
        '    filter  nearest|bilinear|bicubic|lanczos ("bilinear"): How pixels are interpolated.\n'
        "  color_order: Swap the red and blue channels.\n"
        "postprocess:\n"
        "  draw_clock: Draw the number and the time of the frame into a corner.\n"
        '    corner  top-left|top-right|bottom-left|bottom-right ("top-right"): Where it is'
        " drawn.\n"
        "    wall    boolean (false): Whether the date and the time of day are drawn, too.\n",
        "",
    )


def test_without_names_all_hooks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hooks", "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == list(hooks())
    (resize,) = [each for each in listed if each["name"] == "resize"]
    assert resize["stage"] == "preprocess"
    assert resize["options"][1] == {
        "name": "filter",
        "required": False,
        "description": "How pixels are interpolated.",
        "type": "string",
        "enum": ["nearest", "bilinear", "bicubic", "lanczos"],
        "default": "bilinear",
    }


def test_an_unknown_hook_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hooks", "leterbox"]) == 2
    assert capsys.readouterr().err == (
        "flowrun: error: flowrun brings no hook `leterbox`\n  did you mean `letterbox`?\n"
    )


def test_no_hook_is_imported_for_the_list() -> None:
    code = (
        "import sys; from flowrun.cli import main; main(['hooks']);"
        "sys.exit([name for name in sys.modules if name.startswith('flowrun.hooks')] != [])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
