"""Call a command: what it raises becomes messages and an exit code."""

from __future__ import annotations

from collections.abc import Callable

from flowrun.cli.exit_codes import INTERNAL, INTERRUPTED
from flowrun.cli.process_exit import exit_within, owns_process
from flowrun.cli.stderr import (
    log_stray_exceptions,
    print_as_text,
    print_stderr,
    print_traceback,
)
from flowrun.cli.streams import guard_streams
from flowrun.errors import FlowrunError, InvalidFlowError


def as_process(command: Callable[[], int], *, verbose: bool = False) -> int:
    """`guarded`, for the command of a process of its own: its standard streams are guarded, and it
    ends within two seconds of the return."""
    owns_process()
    guard_streams()
    log_stray_exceptions()
    code = guarded(command, verbose=verbose)
    exit_within(code)
    return code


def guarded(command: Callable[[], int], *, verbose: bool = False) -> int:
    """The exit code of `command`; its errors are printed, `verbose` with their tracebacks."""
    print_as_text()
    try:
        return command()
    except FlowrunError as error:
        if verbose:
            print_traceback(error)
        print_stderr(
            str(error) if isinstance(error, InvalidFlowError) else f"flowrun: error: {error}"
        )
        return error.exit_code
    except KeyboardInterrupt:  # not in a run, which handles signals itself
        return INTERRUPTED
    except Exception as error:
        print_traceback(error)
        print_stderr("flowrun: this is a bug in flowrun; please report it with the lines above")
        return INTERNAL
