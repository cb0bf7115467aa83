"""`flowrun FLOW.yaml`"""

from __future__ import annotations

import argparse
import json
import os
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flowrun import __version__
from flowrun.cli.demo_client_flags import add_overrides, bare
from flowrun.cli.terminal import DONE, Parser, exit_code, log_to_stderr, say
from flowrun.errors import FlowrunError, UsageError

if TYPE_CHECKING:
    from flowrun.cli.progress import Progress
    from flowrun.run import Run

USE = """flowrun FLOW.yaml [--set KEY=VALUE]… [--web [HOST:PORT]] [--summary FILE|-]      run it
       flowrun validate PATH… [--imports] [--live] [--format text|json|github]
       flowrun graph FLOW.yaml [--set KEY=VALUE]… [--format text|mermaid]
       flowrun explain FLOW.yaml [--set KEY=VALUE]… [--format text|json]
       flowrun report SUMMARY [--lines FILE] [-o FILE]
       flowrun serve [NAME=]MODEL… [--address HOST:PORT] [--python PATH]
       flowrun bench FLOW [--frames N]
       flowrun devices
       flowrun schema [--format json|markdown]"""


def main(words: Sequence[str]) -> int:
    """Run a flow to its end, or to a signal."""
    parser = Parser(prog="flowrun", usage=USE, description="Run a flow.")
    parser.add_argument("flow", metavar="FLOW.yaml")
    add_overrides(parser)
    parser.add_argument("--summary", metavar="FILE", help="write the summary as JSON; - is stdout")
    parser.add_argument(
        "--benchmark", action="store_true", help="print the demo client's numbers, one line of JSON"
    )
    parser.add_argument("--verbose", action="store_true", help="more log lines, and tracebacks")
    parser.add_argument("-V", "--version", action="version", version=f"flowrun {__version__}")
    options = parser.parse_args(bare(words))
    log_to_stderr(verbose=options.verbose)

    from flowrun.spec.load import load
    from flowrun.spec.problems import Remark
    from flowrun.system.malloc import keep_freed_memory

    loaded = load(options.flow, overrides=options.overrides)
    keep_freed_memory()
    from flowrun.cli.progress import Progress
    from flowrun.cli.signals import Signals
    from flowrun.run import Run

    run = Run(loaded.flow)
    progress = Progress(loaded.flow, run.status)
    with Signals(run, last=lambda number: _leave(run, options, number, progress)) as signals:
        try:
            with progress:
                run.run()
        except FlowrunError as error:
            if error.key is not None and not error.key.startswith("--"):
                # The line of the flow says more than the name of the key alone.
                problem = loaded.problem(Remark.of(error))
                _report(run, options)
                if options.verbose:
                    traceback.print_exc()
                say(str(problem))
                return exit_code(error)
            _report(run, options)
            raise
    _report(run, options)
    return 128 + signals.first if signals.first else DONE


def _report(run: Run, options: argparse.Namespace) -> None:
    """The summary as text to stderr, if anything was captured, and as JSON where it was asked."""
    summary = run.summary()
    if summary.captured:
        say(str(summary))
    if options.benchmark:
        from flowrun.cli.benchmark import benchmark

        print(json.dumps(benchmark(run.ledger, summary)), flush=True)
    target = options.summary
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


def _leave(run: Run, options: argparse.Namespace, number: int, progress: Progress) -> NoReturn:
    """The end when somebody's code holds a thread for good: say how far it came, and go."""
    progress.close()
    run.ledger.close()
    _report(run, options)
    say("flowrun: a hook, a model or a server did not return; left without it")
    os._exit(128 + number)
