"""The command line: only this package prints, sets exit codes and handles signals."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence

from flowrun.cli import (
    bench,
    devices,
    explain,
    graph,
    hooks,
    init,
    report,
    run,
    schema,
    serve,
    validate,
)
from flowrun.cli.exit_codes import INTERNAL, INTERRUPTED
from flowrun.cli.parser import nearest
from flowrun.cli.process_exit import exit_within, owns_process
from flowrun.cli.stderr import (
    log_stray_exceptions,
    print_as_text,
    print_stderr,
    print_traceback,
)
from flowrun.cli.streams import guard_streams
from flowrun.errors import FlowrunError, InvalidFlowError, UsageError

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": run.main,
    "validate": validate.main,
    "graph": graph.main,
    "explain": explain.main,
    "report": report.main,
    "serve": serve.main,
    "bench": bench.main,
    "hooks": hooks.main,
    "devices": devices.main,
    "schema": schema.main,
    "init": init.main,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 the run failed, 2 usage, 70 a bug in
    flowrun, 78 the flow is invalid, 128 + n after signal n. Without `argv` it is that of the
    process, which then ends within two seconds of the return."""
    if argv is not None:
        return _main(argv)
    owns_process()
    guard_streams()
    log_stray_exceptions()
    code = _main(sys.argv[1:])
    exit_within(code)
    return code


def _main(arguments: Sequence[str]) -> int:
    verbose = "--verbose" in arguments
    print_as_text()
    try:
        return _command(arguments)
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


def _command(arguments: Sequence[str]) -> int:
    """Run the command that is named first. A flow without a command is run."""
    first = arguments[0] if arguments else ""
    if first in COMMANDS:
        return COMMANDS[first](arguments[1:])
    if re.fullmatch(r"\w[\w-]*", first) and not os.path.lexists(first):  # not a path
        files = filter(os.path.isfile, (f"{first}.yaml", f"{first}.yml"))
        meant = next(files, None) or nearest(first, list(COMMANDS))
        hint = f"did you mean `{meant}`?" if meant else f"commands: {', '.join(COMMANDS)}"
        raise UsageError(f"there is no command and no file `{first}`", hint=hint)
    return run.main(arguments)
