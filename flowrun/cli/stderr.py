"""Messages and log lines on standard error."""

from __future__ import annotations

import logging
import sys
import traceback

from flowrun.foreign import lines


def print_stderr(text: str) -> None:
    """Print `text` to standard error, with control characters escaped, and flush."""
    print(lines(text), file=sys.stderr, flush=True)


def print_traceback(error: BaseException) -> None:
    """Print the traceback of `error`."""
    print_stderr(_continued("".join(traceback.format_exception(error)).rstrip()))


def log_to_stderr(*, verbose: bool) -> None:
    """Log to standard error: flowrun from INFO (`verbose`: DEBUG) on, libraries from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("flowrun: %(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("flowrun").setLevel(logging.DEBUG if verbose else logging.INFO)


class _Formatter(logging.Formatter):
    """Escapes control characters, and indents all lines of a record but the first."""

    def format(self, record: logging.LogRecord) -> str:
        return _continued(lines(super().format(record)))


def _continued(text: str) -> str:
    """`text` with all lines but the first indented: what stands at the start of a line is
    flowrun's own."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"  {line}" if line[:1].strip() else line for line in rest)])
