"""The command line: only this package prints, sets exit codes and handles signals."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence

from flowrun.cli import (
    bench,
    deploy,
    devices,
    explain,
    graph,
    hooks,
    init,
    record,
    report,
    run,
    schema,
    serve,
    test,
    up,
    validate,
)
from flowrun.cli.guarded import as_process, guarded
from flowrun.cli.parser import nearest
from flowrun.errors import UsageError

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": run.main,
    "up": up.main,
    "record": record.main,
    "validate": validate.main,
    "test": test.main,
    "graph": graph.main,
    "explain": explain.main,
    "report": report.main,
    "serve": serve.main,
    "bench": bench.main,
    "hooks": hooks.main,
    "devices": devices.main,
    "schema": schema.main,
    "init": init.main,
    "deploy": deploy.main,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 the run failed, 2 usage, 70 a bug in
    flowrun, 78 the flow is invalid, 128 + n after signal n. Without `argv` it is that of the
    process, which then ends within two seconds of the return."""
    if argv is not None:
        return guarded(lambda: _command(argv), verbose="--verbose" in argv)
    words = sys.argv[1:]
    return as_process(lambda: _command(words), verbose="--verbose" in words)


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
