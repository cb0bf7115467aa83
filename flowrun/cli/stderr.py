"""Messages and log lines on standard error."""

from __future__ import annotations

import logging
import sys
import threading
import traceback

from flowrun.cli.color import colored, has_color
from flowrun.foreign import exception_text, lines

FORMAT = "flowrun: %(levelname)s: %(message)s"

log = logging.getLogger("flowrun")


def print_stderr(text: str) -> None:
    """Print `text` to standard error, with control characters escaped, and flush. Errors have
    colors on a terminal."""
    text = lines(text)
    print(colored(text) if has_color(sys.stderr) else text, file=sys.stderr, flush=True)


def print_traceback(error: BaseException) -> None:
    """Print the traceback of `error`."""
    print_stderr(_continued("".join(traceback.format_exception(error)).rstrip()))


def log_to_stderr(*, verbose: bool) -> None:
    """Log to standard error: flowrun from INFO (`verbose`: DEBUG) on, libraries from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(FORMAT))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("flowrun").setLevel(logging.DEBUG if verbose else logging.INFO)


def log_stray_exceptions() -> None:
    """Log, on one line, the warnings of libraries and hooks, the exceptions that end their threads
    and those that Python ignores, as in a destructor. For a process of flowrun's own."""
    logging.captureWarnings(capture=True)
    if logging.lastResort is not None:  # of the commands that do not log
        logging.lastResort.setFormatter(_Formatter(FORMAT))
    threading.excepthook = _thread_failed
    sys.unraisablehook = _ignored


def _thread_failed(raised: threading.ExceptHookArgs) -> None:
    error, name = raised.exc_value, raised.thread.name if raised.thread else "?"
    if error is not None and not isinstance(error, SystemExit):
        # A thread of flowrun has no exceptions: that is a bug, and its traceback is needed.
        trace = error if name.startswith("flowrun-") else None
        log.error("thread %r ended with %s", name, _described(error), exc_info=trace)


def _ignored(raised: sys.UnraisableHookArgs) -> None:
    if raised.exc_value is not None:
        where = getattr(raised.object, "__qualname__", "")
        of = f" in {where}" if isinstance(where, str) and where else ""
        log.warning("an exception was ignored%s: %s", of, _described(raised.exc_value))


def _described(error: BaseException) -> str:
    from flowrun.spec.dotted_path import raised_at

    place = raised_at(error)
    return f"{exception_text(error)} ({place})" if place else exception_text(error)


class _Formatter(logging.Formatter):
    """Escapes control characters, and indents all lines of a record but the first. In color where
    standard error has it."""

    def format(self, record: logging.LogRecord) -> str:
        text = _continued(lines(super().format(record)))
        return colored(text) if has_color(sys.stderr) else text


def _continued(text: str) -> str:
    """`text` with all lines but the first indented: what stands at the start of a line is
    flowrun's own."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"  {line}" if line[:1].strip() else line for line in rest)])
