"""The command line: the only place that prints, sets exit codes and listens to signals."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence

from flowrun.cli import bench, devices, explain, graph, report, run, schema, serve, validate
from flowrun.cli.terminal import FAILED, INTERNAL, INTERRUPTED, exit_code, say
from flowrun.errors import FlowrunError, InvalidFlowError

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "validate": validate.main,
    "graph": graph.main,
    "explain": explain.main,
    "report": report.main,
    "serve": serve.main,
    "bench": bench.main,
    "devices": devices.main,
    "schema": schema.main,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 the run failed, 2 usage, 70 a bug in
    flowrun, 78 the flow is invalid, 128 + n after signal n."""
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in words
    try:
        if words and words[0] in COMMANDS:
            return COMMANDS[words[0]](words[1:])
        return run.main(words)
    except FlowrunError as error:
        if verbose:
            traceback.print_exc()
        say(str(error) if isinstance(error, InvalidFlowError) else f"flowrun: error: {error}")
        return exit_code(error)
    except KeyboardInterrupt:  # a run has a word of its own for it
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception:
        traceback.print_exc()
        say("flowrun: this is a bug in flowrun; please report it with the lines above")
        return INTERNAL
