"""Colors of messages, and who gets them."""

from __future__ import annotations

import io

import pytest

from flowrun.cli.color import colored, has_color, wants_color


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", True),
        ({"NO_COLOR": ""}, "linux", True),
        ({"NO_COLOR": "0"}, "linux", False),
        ({"TERM": "dumb"}, "linux", False),
        ({"TERM": "xterm"}, "darwin", True),
        ({}, "win32", False),
        ({"WT_SESSION": "1"}, "win32", True),
        ({"WT_SESSION": "1", "NO_COLOR": "1"}, "win32", False),
    ],
)
def test_terminals_have_colors_unless_the_user_wants_none(
    environ: dict[str, str], platform: str, expected: bool
) -> None:
    assert wants_color(environ, platform) == expected


def test_files_and_pipes_have_no_colors() -> None:
    assert not has_color(io.StringIO())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flowrun: error: no", "flowrun: <31>error<0>: no"),
        ("flowrun: WARNING: an error: no", "flowrun: <33>WARNING<0>: an error: no"),
        ("flowrun: INFO: error", "flowrun: INFO: error"),
        ("a.yaml:1:2: error: no\n    a: error\n       ^\n    did you mean ^?\n--set:1:2: note: b",
         "a.yaml:1:2: <31>error<0>: no\n    a: error\n       <32>^<0>\n    did you mean ^?\n"
         "--set:1:2: <36>note<0>: b"),
        ("a: captured 3, errors: none", "a: captured 3, errors: none"),
    ],
)  # fmt: skip
def test_severities_and_carets_have_colors(text: str, expected: str) -> None:
    expected = expected.replace("<", "\x1b[").replace(">", "m")
    assert colored(text) == expected
