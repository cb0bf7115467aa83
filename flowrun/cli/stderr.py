"""Messages and log lines on standard error."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import threading
import traceback
from datetime import datetime
from typing import TextIO

from flowrun.cli.color import colored, has_color, severity
from flowrun.cli.streams import stderr
from flowrun.foreign import exception_text, lines

LEVELS = ("debug", "info", "warning", "error")

log = logging.getLogger("flowrun")

_UNFORMATTED = "a record of the log raised %s (%s)"

_as_json = False


def print_stderr(text: str) -> None:
    """Print `text` to standard error, with control characters escaped, and flush. With
    `--log-format json` it is a line of JSON, like those of the log."""
    text = lines(text)
    if _as_json:
        level = "error" if text.startswith("Traceback") else severity(text) or "info"
        message = text.removeprefix("flowrun: ").removeprefix("error: ")
        text = _json_line(datetime.now(), level, "flowrun", message)
    elif has_color(stderr()):
        text = colored(text)
    print(text, file=stderr(), flush=True)


def print_traceback(error: BaseException) -> None:
    """Print the traceback of `error`."""
    print_stderr(_continued("".join(traceback.format_exception(error)).rstrip()))


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add `--log-format`, `--log-level` and `--verbose` to `parser`, for `log_to_stderr`."""
    parser.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="json: an object per line"
    )
    parser.add_argument("--log-level", choices=LEVELS, help="log from this level on; default: info")
    parser.add_argument("--verbose", action="store_true", help="more log lines, and tracebacks")


def log_to_stderr(
    *, verbose: bool = False, level: str | None = None, as_json: bool = False
) -> None:
    """Log to standard error, libraries from WARNING on, flowrun from `level` on; default: INFO
    (`verbose`: DEBUG)."""
    global _as_json  # noqa: PLW0603
    _as_json = as_json
    handler = _Handler(stderr())
    handler.setFormatter(_JsonFormatter() if as_json else _Formatter())
    number = logging.getLevelName((level or ("debug" if verbose else "info")).upper())
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING))
    log.setLevel(number)


def log_as(options: argparse.Namespace) -> None:
    """`log_to_stderr` with the options of `add_log_options`."""
    as_json = options.log_format == "json"
    log_to_stderr(verbose=options.verbose, level=options.log_level, as_json=as_json)


def prints_json() -> bool:
    """Whether messages and log lines are JSON."""
    return _as_json


def print_as_text() -> None:
    """Messages are text, until `log_to_stderr`."""
    global _as_json  # noqa: PLW0603
    _as_json = False


def log_stray_exceptions() -> None:
    """Log, on one line, the warnings of libraries and hooks, the exceptions that end their threads
    and those that Python ignores, as in a destructor. For a process of flowrun's own."""
    logging.captureWarnings(capture=True)
    if logging.lastResort is not None:  # of the commands that do not log
        logging.lastResort.setFormatter(_Formatter())
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


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - of the library
        """Log on one line that a record cannot be formatted: its arguments do not fit."""
        error = sys.exc_info()[1]
        if error is not None and record.msg != _UNFORMATTED:
            place = f"{record.pathname}:{record.lineno}"
            logging.getLogger(record.name).error(_UNFORMATTED, exception_text(error), place)


class _Formatter(logging.Formatter):
    """Escapes control characters, and indents all lines of a record but the first. With the time
    where standard error is no terminal, and in color where it has them."""

    def format(self, record: logging.LogRecord) -> str:
        flow = getattr(record, "flow", None)
        of = "" if flow is None else f"{flow}: "
        text = f"flowrun: {record.levelname}: {of}{super().format(record).rstrip()}"
        text = _continued(lines(text))
        if has_color(stderr()):
            return colored(text)
        return text if stderr().isatty() else f"{_time(_created(record))} {text}"


class _JsonFormatter(logging.Formatter):
    """An object per record: `time`, `level`, `logger`, `message`, and the `flow` of a line that
    one of many flows has logged."""

    def format(self, record: logging.LogRecord) -> str:
        message = lines(super().format(record).rstrip())
        flow = getattr(record, "flow", None)
        return _json_line(_created(record), record.levelname.lower(), record.name, message, flow)


def _json_line(
    time: datetime, level: str, logger: str, message: str, flow: str | None = None
) -> str:
    found = {"time": _time(time), "level": level, "logger": logger, "message": message}
    if flow is not None:
        found["flow"] = flow
    return json.dumps(found, ensure_ascii=False)


def _created(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created)


def _time(time: datetime) -> str:
    """The local time with its zone, ISO 8601."""
    return time.astimezone().isoformat(timespec="milliseconds")


def _continued(text: str) -> str:
    """`text` with all lines but the first indented: what stands at the start of a line is
    flowrun's own."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"  {line}" if line[:1].strip() else line for line in rest)])
