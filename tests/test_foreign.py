"""Text of other programs and of the user's code is shown, never obeyed, and never raises."""

from __future__ import annotations

import re
import signal
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import TransportError
from flowrun.foreign import (
    MAX_LINE,
    exception_text,
    is_ctrl_c,
    lines,
    one_line,
    text_of,
    type_name,
)

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class NumberError(BaseException):
    def __str__(self) -> Any:
        return 5  # noqa: PLE0307


class Text(str):
    def __getitem__(self, _: Any) -> Any:
        raise RuntimeError("no item")


class Named(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise RuntimeError("no name")


class Nameless(metaclass=Named):
    pass


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m \x1b]0;title\x07", r"\x1b[31mred\x1b[0m \x1b]0;title\x07"),
        ("no\n\r\n  flowrun: INFO: all is well", "no flowrun: INFO: all is well"),
        ("a\u2028b\x85c\x0bd", "a b c d"),
        ("abc\u202etxt.exe", r"abc\u202etxt.exe"),
        ("\x9b31m \U000e0041", r"\u009b31m \udb40\udc41"),
        ("Grüße, 日本\u3000語, نمی\u200cشود, 👩\u200d💻",) * 2,
        ("x" * 5000, "x" * (MAX_LINE - 1) + "…"),
    ],
)  # fmt: skip
def test_a_foreign_text_stays_on_its_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_lines_keep_their_ends_and_tabs() -> None:
    assert lines("a\tb\r\n  c\x1b[m\n") == "a\tb\n  c\\x1b[m\n"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert not OBEYED.search(one_line(text))
    assert "\n" not in one_line(text)
    assert "\t" not in one_line(text)
    assert not OBEYED.search(lines(text))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\nb"), "ValueError: a b"),
        (ValueError(), "ValueError"),
        (MuteError(), "MuteError: <MuteError without a text>"),
        (NumberError(), "NumberError: <NumberError without a text>"),
        (ValueError(Text("x")), "ValueError: x"),
        (ValueError(10**5000), "ValueError: <ValueError without a text>"),
    ],
)
def test_every_exception_has_a_text(error: BaseException, text: str) -> None:
    assert exception_text(error) == text


def test_an_object_of_a_class_without_a_name_has_one() -> None:
    assert type_name(Nameless()) == "Nameless"
    assert text_of(Text("x")) == "x"
    assert type(text_of(Text("x"))) is str


def test_an_error_escapes_what_it_quotes() -> None:
    error = TransportError("the server said \x1b[2J\nno", hint="one\n  two\x07")
    assert str(error) == "transport: the server said \\x1b[2J no\n  one\n    two\\x07"


def test_a_keyboard_interrupt_is_ctrl_c_only_where_python_raises_it() -> None:
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(is_ctrl_c(KeyboardInterrupt())))
    thread.start()
    thread.join()
    assert found == [False]
    assert not is_ctrl_c(ValueError())
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            assert not is_ctrl_c(KeyboardInterrupt())
            signal.signal(signal.SIGINT, signal.default_int_handler)
            assert is_ctrl_c(KeyboardInterrupt())
        finally:
            signal.signal(signal.SIGINT, before)
