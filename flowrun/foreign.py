"""Texts and exceptions of other programs and of the user's code, made safe to show and to log.

Nothing here raises, whatever the text or the object.
"""

from __future__ import annotations

import re
import signal
import threading

MAX_LINE = 4000  # characters of one line of a message or of the log
MAX_QUOTE = 1000  # characters of a foreign text within a message
# Control characters (C0, DEL, C1), line and paragraph separators, bidirectional marks, embeddings,
# overrides and isolates, the byte order mark, annotations, and the invisible tags.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_UNSAFE_IN_LINES = re.compile(f"(?![\n\t]){_UNSAFE.pattern}")
_LINE_BREAKS = re.compile("[ \t]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029][\\s\x1c-\x1e]*")


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """`text` on one line of at most `limit` characters: line breaks become blanks, and characters
    that a terminal obeys instead of showing them become escapes such as `\\x1b`."""
    text = text[: limit + 1]  # the rest may be very long
    if not (text.isascii() and text.isprintable()):
        text = _UNSAFE.sub(_escape, _LINE_BREAKS.sub(" ", text.strip()).replace("\t", " "))
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def lines(text: str) -> str:
    """`escaped(text)`, each line cut to `MAX_LINE` characters."""
    cut = (
        line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…" for line in text.split("\n")
    )
    return escaped("\n".join(cut))


def escaped(text: str) -> str:
    """`text` with its line ends and tabs, and escapes for the other characters that a terminal
    obeys."""
    return _UNSAFE_IN_LINES.sub(_escape, text.replace("\r\n", "\n"))


def text_of(value: object) -> str:
    """`str(value)`, or a note that it has none."""
    try:
        return str.__str__(str(value))  # not of a class of their own
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return f"<{type_name(value)} without a text>"


def type_name(value: object) -> str:
    """The name of the class of `value`."""
    return one_line(str(type.__dict__["__name__"].__get__(type(value))), MAX_QUOTE)


def exception_text(error: BaseException) -> str:
    """`ValueError: the message` on one line, or `ValueError` if it has none."""
    text = one_line(text_of(error), MAX_QUOTE)
    return f"{type_name(error)}: {text}" if text else type_name(error)


def is_ctrl_c(error: BaseException) -> bool:
    """Whether `error` was raised for a SIGINT: a `KeyboardInterrupt` on the main thread, where
    Python's own handler is installed. Any other one comes from the code that was called."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )


def _escape(match: re.Match[str]) -> str:
    """In the notation of Python; from U+007F on that of JSON, where such characters may stand."""
    code = ord(match[0])
    if code < 0x7F:  # noqa: PLR2004
        return f"\\x{code:02x}"
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
