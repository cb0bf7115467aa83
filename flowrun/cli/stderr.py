"""Messages and log lines on standard error."""

from __future__ import annotations

import logging
import sys


def print_stderr(text: str) -> None:
    """Print `text` to standard error and flush."""
    print(text, file=sys.stderr, flush=True)


def log_to_stderr(*, verbose: bool) -> None:
    """Log to standard error: flowrun from INFO (`verbose`: DEBUG) on, libraries from WARNING."""
    logging.basicConfig(format="flowrun: %(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("flowrun").setLevel(logging.DEBUG if verbose else logging.INFO)
