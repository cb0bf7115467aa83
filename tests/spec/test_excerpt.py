"""The excerpt of a line and its caret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.spec.excerpt import MAX_WIDTH, excerpt


@pytest.mark.parametrize(
    ("line", "column", "text", "caret"),
    [
        ("abc", 1, "abc", "^"),
        ("abc", 4, "abc", "   ^"),
        ("abc  ", 2, "abc", " ^"),
        ("\tabc", 2, "\tabc", "\t^"),
        ("a\u6f22b", 3, "a\u6f22b", "   ^"),
        ("e\u0301x", 3, "e\u0301x", " ^"),
        ("a\x1b[31mb", 7, "a\ufffd[31mb", "      ^"),
        ("   ", 2, "", ""),
        ("x: rtsp://u:p@h y", 17, "x: rtsp://***@h y", "                ^"),
        ("x: rtsp://user:password@h y", 27, "x: rtsp://***@h y", "                ^"),
        ("x: rtsp://user:password@h y", 15, "x: rtsp://***@h y", "          ^"),
    ],
)
def test_the_caret_is_below_the_column(line: str, column: int, text: str, caret: str) -> None:
    assert excerpt([line], 1, column) == (text, caret)


@given(st.integers(1, 1000), st.integers(0, 999))
def test_a_long_line_is_cut_around_the_column(length: int, at: int) -> None:
    line = "".join(chr(ord("a") + n % 26) for n in range(length))
    at = min(at, length - 1)
    text, caret = excerpt([line], 1, at + 1)
    assert len(text) <= MAX_WIDTH
    assert caret == " " * (len(caret) - 1) + "^"
    assert text[len(caret) - 1] == line[at] or text[len(caret) - 1] == "…"
    assert text.strip("…") in line


def test_a_missing_line_has_no_excerpt() -> None:
    assert excerpt(["abc"], 2, 1) == ("", "")
