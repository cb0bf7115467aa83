"""`flowrun FLOW.yaml`"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flowrun import __version__
from flowrun.cli.terminal import DONE, Parser, exit_code, log_to_stderr, say
from flowrun.errors import FlowrunError, UsageError

if TYPE_CHECKING:
    from flowrun.run import Run

USE = """flowrun FLOW.yaml [--set KEY=VALUE]… [--summary FILE|-]      run it
       flowrun validate PATH… [--imports] [--format text|json|github]
       flowrun serve MODEL… [--address HOST:PORT]
       flowrun devices
       flowrun schema"""


def main(words: Sequence[str]) -> int:
    """Run a flow to its end, or to a signal."""
    parser = Parser(prog="flowrun", usage=USE, description="Run a flow.")
    parser.add_argument("flow", metavar="FLOW.yaml")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="settings")
    parser.add_argument("--summary", metavar="FILE", help="write the summary as JSON; - is stdout")
    parser.add_argument(
        "--limit-frames", "--limit_frames", metavar="N", help="capture exactly N frames"
    )
    parser.add_argument("--verbose", action="store_true", help="more log lines, and tracebacks")
    parser.add_argument("--version", action="version", version=f"flowrun {__version__}")
    options = parser.parse_args(words)
    log_to_stderr(verbose=options.verbose)
    settings = list(options.settings)
    if options.limit_frames is not None:
        settings.append(f"limits.frames={options.limit_frames}")

    from flowrun.spec.load import load

    loaded = load(options.flow, overrides=settings)
    from flowrun.run import Run
    from flowrun.signals import Signals

    run = Run(loaded.flow)
    with Signals(run, last=lambda number: _leave(run, options.summary, number)) as signals:
        try:
            run.run()
        except FlowrunError as error:
            if error.key is not None and not error.key.startswith("--"):
                # The line of the flow says more than the name of the key alone.
                message, hint = f"{error.key}: {error.message}", error.hint or ""
                _summarise(run, options.summary)
                if options.verbose:
                    traceback.print_exc()
                say(str(loaded.problem(error.key, message, hint)))
                return exit_code(error)
            _summarise(run, options.summary)
            raise
    _summarise(run, options.summary)
    return 128 + signals.first if signals.first else DONE


def _summarise(run: Run, target: str | None) -> None:
    """The summary as text to stderr, if anything was captured, and as JSON where it was asked."""
    summary = run.summary()
    if summary.captured:
        say(str(summary))
    if target is None:
        return
    text = json.dumps(summary.to_json(), indent=2)
    if target == "-":
        print(text, flush=True)
        return
    try:
        Path(target).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--summary {target}: {error.strerror}") from error


def _leave(run: Run, target: str | None, number: int) -> NoReturn:
    """The end when somebody's code holds a thread for good: say how far it came, and go."""
    run.ledger.close()
    _summarise(run, target)
    say("flowrun: a hook, a model or a server did not return; left without it")
    os._exit(128 + number)
