"""What the commands share: exit codes, the parser's manners, the log."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from flowrun.errors import FlowrunError, InvalidFlowError, LedgerError, UsageError

DONE, FAILED, USAGE, INTERNAL, INVALID, INTERRUPTED = 0, 1, 2, 70, 78, 130


class Parser(argparse.ArgumentParser):
    """Flags in full, or not at all."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)


def exit_code(error: FlowrunError) -> int:
    codes = {UsageError: USAGE, InvalidFlowError: INVALID, LedgerError: INTERNAL}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED)


def say(text: str) -> None:
    """To standard error, at once."""
    print(text, file=sys.stderr, flush=True)


def log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(format="flowrun: %(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("flowrun").setLevel(logging.DEBUG if verbose else logging.INFO)
