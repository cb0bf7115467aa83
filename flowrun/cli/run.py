"""`flowrun FLOW.yaml`, or `flowrun run FLOW.yaml`"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowrun import __version__
from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE, FAILED, INTERRUPTED
from flowrun.cli.output_file import check_output
from flowrun.cli.override_flags import add_overrides, complete_bare_web
from flowrun.cli.parser import Parser
from flowrun.cli.process_exit import exit_within, force_exit, main_place
from flowrun.cli.stderr import add_log_options, log_as, print_stderr, print_traceback
from flowrun.cli.stdout import print_stdout, write_stdout
from flowrun.errors import FlowrunError, UsageError, one_line

if TYPE_CHECKING:
    from flowrun.chain.observer import Observer
    from flowrun.chain.status import Status
    from flowrun.cli.progress import Progress
    from flowrun.kserve.cassette.recorder import Recorder
    from flowrun.run import Run
    from flowrun.spec.flow import Flow
    from flowrun.spec.load import LoadedFlow

log = logging.getLogger("flowrun")

REPORT_TIMEOUT = 0.8  # seconds of a forced exit

USE = """flowrun [run] FLOW.yaml [--set KEY=VALUE]… [--web [HOST:PORT]] [--summary FILE|-] [-y]
       flowrun up PATH… [--web [ADDRESS]] [--metrics ADDRESS] [--watch]
       flowrun record FLOW.yaml --to CASSETTE [--max-size SIZE] [OPTION OF run]…
       flowrun init [NAME] [--template NAME] [-y]
       flowrun validate PATH… [--imports] [--live] [--budget] [--format text|json|github]
       flowrun test PATH… [--format text|junit] [--update] [-j N] [--timeout DURATION]
       flowrun graph FLOW.yaml [--set KEY=VALUE]… [--format text|mermaid]
       flowrun explain FLOW.yaml [--set KEY=VALUE]… [--format text|json]
       flowrun report SUMMARY [--lines FILE] [-o FILE]
       flowrun serve [NAME=]MODEL… [--address HOST:PORT] [--python PATH] [--shape [NAME=]SHAPE]…
       flowrun bench FLOW [--frames N]
       flowrun deploy kubernetes PATH… --image IMAGE -o FOLDER [--namespace NAME] [--gpu] [-y]
       flowrun hooks [NAME]… [--format text|json]
       flowrun devices
       flowrun schema [--format json|markdown]"""


def main(argv: Sequence[str]) -> int:
    """Run a flow until it ends or a signal arrives."""
    parser = Parser(prog="flowrun", usage=USE, description="Run a flow.")
    add_run_options(parser)
    parser.add_argument("-V", "--version", action="version", version=f"flowrun {__version__}")
    return run_with_options(parser.parse_args(complete_bare_web(argv)))


def add_run_options(parser: Parser) -> None:
    """Add the flow and the options of a run to `parser`."""
    parser.add_argument("flow", metavar="FLOW.yaml", help="- is stdin")
    add_overrides(parser)
    add_env_file(parser)
    parser.add_argument("--summary", metavar="FILE", help="write the summary as JSON; - is stdout")
    parser.add_argument(
        "--benchmark", action="store_true", help="print the demo client's numbers, one line of JSON"
    )
    parser.add_argument(
        "-y", action="store_true", help="replace existing files: overwrite: true for every sink"
    )
    add_log_options(parser)


def run_with_options(
    options: argparse.Namespace, recording: Callable[[Flow], Recorder] | None = None
) -> int:
    """Run the flow that `options` name and return the exit code. `recording` makes the recorder of
    a run that is recorded."""
    log_as(options)

    from flowrun.spec.load import load

    loaded = load(options.flow, overrides=options.overrides, environ=environ_of(options))
    flow = loaded.flow
    for note in loaded.notes:
        log.warning("%s", note)
    if options.y:
        flow = replace(flow, sinks=tuple(replace(sink, overwrite=True) for sink in flow.sinks))
    if options.summary not in (None, "-"):
        _check_summary(options.summary, options.flow, flow, replace_others=options.y)
        options.summary_file = Path(options.summary).absolute()  # a hook may change the directory
    return run_flow(flow, loaded, options, recorder=recording(flow) if recording else None)


def run_flow(
    flow: Flow,
    loaded: LoadedFlow,
    options: argparse.Namespace,
    observe: Callable[[Status], Observer] | None = None,
    on_run: Callable[[Run], None] = lambda _: None,
    recorder: Recorder | None = None,
) -> int:
    """Run `flow`, which is that of `loaded` as `options` change it, until it ends or a signal
    arrives; returns the exit code. `on_run` gets the run before it begins. `recorder` is
    finished, too."""
    from flowrun.cli.progress import Progress
    from flowrun.cli.signals import Signals
    from flowrun.run import Run
    from flowrun.system.malloc import keep_freed_memory

    keep_freed_memory()
    run = Run(flow, recorder=recorder) if observe is None else Run(flow, observe, recorder)
    if recorder is not None:
        recorder.stop = run.stop
    on_run(run)
    progress = Progress(flow, run.status)
    error: FlowrunError | KeyboardInterrupt | None = None
    with Signals(run) as signals:
        run.when_overdue(lambda: _force_exit(run, options, loaded, signals.first, progress))
        try:
            with progress:
                run.run()
        except (FlowrunError, KeyboardInterrupt) as raised:  # one that has replaced the handlers
            error = raised
        except Exception:  # a bug; the caller reports it
            _report(run, options)
            raise
        finally:
            unsaved = _finish(recorder)
    code = _outcome(run, loaded, options, error, signals.first)
    if unsaved is not None:
        print_stderr(f"flowrun: error: {unsaved}")
        code = code or unsaved.exit_code
    exit_within(code)  # the hooks are destroyed on return
    return code


def _finish(recorder: Recorder | None) -> FlowrunError | None:
    """Complete the cassette; the error if it could not be written."""
    if recorder is None:
        return None
    try:
        content = recorder.finish()
    except FlowrunError as error:
        return error
    if content is None:
        log.warning("no request was sent to the model: there is no cassette")
    else:
        log.info("recorded %s", content)
    return None


def _outcome(
    run: Run,
    loaded: LoadedFlow,
    options: argparse.Namespace,
    error: FlowrunError | KeyboardInterrupt | None,
    signal: int,
) -> int:
    """Report a run that has ended, with `error` or after `signal` or by itself. Returns the exit
    code."""
    if isinstance(error, KeyboardInterrupt):
        return _report(run, options, INTERRUPTED)
    if error is not None:
        _report(run, options)
        problem = loaded.problem_of(error)
        if problem is None:
            raise error
        if options.verbose:
            print_traceback(error)
        print_stderr(str(problem))
        return error.exit_code
    code = _report(run, options, 128 + signal if signal else None)
    lost = run.summary().error
    if lost is not None:
        print_stderr(f"flowrun: error: {lost}")
    return code


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


def _report(
    run: Run, options: argparse.Namespace, forced: int | None = None, error: str | None = None
) -> int:
    """Write the summary as JSON if requested, and print it to stderr if anything was captured.
    `forced` is the exit code and `error` the reason where they are not those of the run. Returns
    the exit code."""
    summary = run.summary()
    if forced is not None:
        summary = replace(summary, exit_code=forced, error=summary.error or error)
    target, code = options.summary, summary.exit_code or DONE
    text = json.dumps(summary.to_json(), indent=2)
    if target not in (None, "-"):
        try:
            options.summary_file.write_text(text + "\n", encoding="utf-8")
        except OSError as failure:
            print_stderr(f"flowrun: error: --summary {target}: {failure.strerror}")
            code = FAILED if forced is None else forced
    if summary.captured:
        print_stderr(str(summary))
    if options.benchmark:
        from flowrun.cli.benchmark import benchmark

        print_stdout(json.dumps(benchmark(run.ledger, summary)))
    if target == "-" and not write_stdout(f"{text}\n", name="--summary -"):
        code = FAILED
    return code


def _force_exit(
    run: Run, options: argparse.Namespace, loaded: LoadedFlow, number: int, progress: Progress
) -> None:
    """Report and exit without waiting for a thread that is stuck in code of others. `number` is
    that of the first signal, 0 without one."""
    error = run.error
    code = error.exit_code if isinstance(error, FlowrunError) else FAILED
    if number:
        code = 128 + number
    exit_within(code, REPORT_TIMEOUT)  # standard error may block
    run.ledger.close()
    unreturned = run.unreturned() or [main_place() or "a model, a server or a sink"]
    reasons = [f"{each} has not returned" for each in unreturned]
    progress.close()
    reason = one_line(error) if error else reasons[0]
    _report(run, options, code, None if number else reason)
    if isinstance(error, FlowrunError):
        print_stderr(str(loaded.problem_of(error) or f"flowrun: error: {error}"))
    force_exit(code, reasons)
