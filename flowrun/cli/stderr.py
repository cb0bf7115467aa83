"""Messages and log lines on standard error, whose reader may close it, and whose disk may be full:
that costs the messages and nothing else."""

from __future__ import annotations

import contextlib
import logging
import os
import sys


def print_stderr(text: str) -> None:
    """Print `text` to standard error and flush."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard_stderr()


def discard_stderr() -> None:
    """Discard what is in the buffer of standard error, and what is written to it from now on."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def log_to_stderr(*, verbose: bool) -> None:
    """Log to standard error: flowrun from INFO (`verbose`: DEBUG) on, libraries from WARNING."""
    handler = _Handler()
    handler.setFormatter(logging.Formatter("flowrun: %(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("flowrun").setLevel(logging.DEBUG if verbose else logging.INFO)


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        if isinstance(sys.exc_info()[1], OSError):
            discard_stderr()
        else:
            super().handleError(record)
