"""`flowrun FLOW.yaml`"""

from __future__ import annotations

import argparse
import json
import os
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from flowrun import __version__
from flowrun.cli.exit_codes import DONE, FAILED
from flowrun.cli.output_file import check_output
from flowrun.cli.override_flags import add_overrides, complete_bare_web
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import log_to_stderr, print_stderr
from flowrun.errors import FlowrunError, UsageError

if TYPE_CHECKING:
    from flowrun.cli.progress import Progress
    from flowrun.run import Run
    from flowrun.spec.flow import Flow

USE = """flowrun FLOW.yaml [--set KEY=VALUE]… [--web [HOST:PORT]] [--summary FILE|-] [-y] run it
       flowrun validate PATH… [--imports] [--live] [--format text|json|github]
       flowrun graph FLOW.yaml [--set KEY=VALUE]… [--format text|mermaid]
       flowrun explain FLOW.yaml [--set KEY=VALUE]… [--format text|json]
       flowrun report SUMMARY [--lines FILE] [-o FILE]
       flowrun serve [NAME=]MODEL… [--address HOST:PORT] [--python PATH]
       flowrun bench FLOW [--frames N]
       flowrun devices
       flowrun schema [--format json|markdown]"""


def main(argv: Sequence[str]) -> int:
    """Run a flow until it ends or a signal arrives."""
    parser = Parser(prog="flowrun", usage=USE, description="Run a flow.")
    parser.add_argument("flow", metavar="FLOW.yaml")
    add_overrides(parser)
    parser.add_argument("--summary", metavar="FILE", help="write the summary as JSON; - is stdout")
    parser.add_argument(
        "--benchmark", action="store_true", help="print the demo client's numbers, one line of JSON"
    )
    parser.add_argument(
        "-y", action="store_true", help="replace existing files: overwrite: true for every sink"
    )
    parser.add_argument("--verbose", action="store_true", help="more log lines, and tracebacks")
    parser.add_argument("-V", "--version", action="version", version=f"flowrun {__version__}")
    options = parser.parse_args(complete_bare_web(argv))
    log_to_stderr(verbose=options.verbose)

    from flowrun.spec.load import load
    from flowrun.system.malloc import keep_freed_memory

    loaded = load(options.flow, overrides=options.overrides)
    flow = loaded.flow
    if options.y:
        flow = replace(flow, sinks=tuple(replace(sink, overwrite=True) for sink in flow.sinks))
    if options.summary not in (None, "-"):
        _check_summary(options.summary, options.flow, flow, replace_others=options.y)
    keep_freed_memory()
    from flowrun.cli.progress import Progress
    from flowrun.cli.signals import Signals
    from flowrun.run import Run

    run = Run(flow)
    progress = Progress(flow, run.status)
    with Signals(run, force=lambda number: _force_exit(run, options, number, progress)) as signals:
        try:
            with progress:
                run.run()
        except FlowrunError as error:
            problem = loaded.problem_of(error)
            _report(run, options)
            if problem is None:
                raise
            if options.verbose:
                traceback.print_exc()
            print_stderr(str(problem))
            return error.exit_code
        except Exception:  # a bug; the caller reports it
            _report(run, options)
            raise
    reported = _report(run, options, signals.first)
    lost = run.summary().error
    if lost is not None:
        print_stderr(f"flowrun: error: {lost}")
    return 128 + signals.first if signals.first else reported


def _check_summary(target: str, path: str, flow: Flow, *, replace_others: bool) -> None:
    """Raise `UsageError` if the summary of `flow`, a file at `path`, must not be written to
    `target`."""
    from flowrun.inspect.report.summary import is_summary
    from flowrun.spec.same_file import identity

    files = {f"{sink.file}": "a sink writes this file" for sink in flow.sinks if sink.file}
    if flow.source.kind == "file":
        files[flow.source.uri] = "the source reads this file"
    files[path] = "this is the flow"
    for file, use in files.items():
        if identity(file) == identity(target):
            raise UsageError(f"--summary {target}: {use}", hint="choose another path")
    check_output(
        Path(target), f"--summary {target}", "a summary", is_summary, replace=replace_others
    )


def _report(run: Run, options: argparse.Namespace, signal: int = 0) -> int:
    """Print the summary to stderr, if anything was captured, and write it as JSON if requested.
    `signal` is the number of the one that ends the command, if one does. Returns the exit code."""
    summary = run.summary()
    if signal:
        summary = replace(summary, exit_code=128 + signal)
    if summary.captured:
        print_stderr(str(summary))
    if options.benchmark:
        from flowrun.cli.benchmark import benchmark

        print(json.dumps(benchmark(run.ledger, summary)), flush=True)
    target = options.summary
    text = json.dumps(summary.to_json(), indent=2)
    if target == "-":
        print(text, flush=True)
    elif target is not None:
        try:
            Path(target).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            print_stderr(f"flowrun: error: --summary {target}: {error.strerror}")
            return FAILED
    return summary.exit_code or DONE


def _force_exit(run: Run, options: argparse.Namespace, number: int, progress: Progress) -> NoReturn:
    """Report and exit without waiting for a thread that is stuck in code of others."""
    progress.close()
    run.ledger.close()
    _report(run, options, number)
    print_stderr("flowrun: a hook, a model or a server did not return; exiting without waiting")
    os._exit(128 + number)
