"""The exit codes of the command line."""

from __future__ import annotations

from flowrun.errors import FlowrunError, InvalidFlowError, LedgerError, UsageError

DONE, FAILED, USAGE, INTERNAL, INVALID, INTERRUPTED = 0, 1, 2, 70, 78, 130


def exit_code(error: FlowrunError) -> int:
    """The exit code for `error`; `FAILED` unless its type has a code of its own."""
    codes = {UsageError: USAGE, InvalidFlowError: INVALID, LedgerError: INTERNAL}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED)
