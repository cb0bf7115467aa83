"""`flowrun bench`"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE, FAILED
from flowrun.cli.override_flags import add_overrides, complete_bare_web
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import add_log_options, log_as, print_stderr
from flowrun.cli.stdout import print_stdout
from flowrun.errors import FlowrunError, UsageError

if TYPE_CHECKING:
    from flowrun.inspect.bench import Trial
    from flowrun.ledger.summary import Summary
    from flowrun.spec.flow import Flow

FRAMES = 200
HEAD = "in_flight  delivered      fps   transport ms p50 / p95   end to end ms p50 / p95"


def main(argv: Sequence[str]) -> int:
    """Measure a flow and print its bottleneck and the window that it needs."""
    parser = Parser(
        prog="flowrun bench",
        description="Measure the frame rate of a flow and find its bottleneck. Nothing is written"
        " to its sinks.",
    )
    parser.add_argument("flow", metavar="FLOW.yaml")
    parser.add_argument("--frames", metavar="N", type=int, default=FRAMES, help="frames per run")
    add_overrides(parser)
    add_env_file(parser)
    add_log_options(parser)
    options = parser.parse_args(complete_bare_web(argv))
    if options.frames < 1:
        raise UsageError(f"{options.frames} is too small, expected at least 1", key="--frames")
    options.log_level = options.log_level or ("debug" if options.verbose else "warning")
    log_as(options)

    from flowrun.spec.load import load
    from flowrun.system.malloc import keep_freed_memory

    loaded = load(options.flow, overrides=options.overrides, environ=environ_of(options))
    keep_freed_memory()
    try:
        _measure(loaded.flow, options.frames)
    except FlowrunError as error:
        problem = loaded.problem_of(error)
        if problem is None:
            raise
        print_stderr(str(problem))
        return error.exit_code
    return DONE


def _measure(flow: Flow, frames: int) -> None:
    import tempfile

    from flowrun.inspect.bench import best, bottleneck, sweep, with_sink

    print_stdout(f"{flow.name}: the first {frames} frames, sinks replaced by null")
    print_stdout(HEAD)
    trials = []
    for trial in sweep(flow, frames, _execute):
        trials.append(trial)
        print_stdout(_line(trial))
    chosen = best(trials)
    with tempfile.TemporaryDirectory() as folder:
        sink_trial = with_sink(flow, frames, chosen.window, Path(folder), _execute)
    if sink_trial is not None:
        print_stdout(
            f"with {sink_trial.sink} (written to a temporary file), {sink_trial.window} in flight:"
        )
        print_stdout(_line(sink_trial))
    print_stdout(f"bottleneck: {bottleneck(chosen, sink_trial)}")
    print_stdout(f"smallest window with the best rate:\ntransport:\n  in_flight: {chosen.window}")


def _line(trial: Trial) -> str:
    summary = trial.summary
    transport, end_to_end = (
        "{p50} / {p95}".format(
            **{name: "-" if ms is None else f"{ms:.1f}" for name, ms in latency.items()}
        )
        for latency in (summary.latency_ms["transport"], summary.latency_ms["end_to_end"])
    )
    return (
        f"{trial.window:9}{summary.delivered:11}{summary.fps:9.1f}{transport:>25}{end_to_end:>26}"
    )


def _execute(flow: Flow) -> Summary:
    """Run the flow once. A signal ends the command."""
    from flowrun.cli.signals import Signals
    from flowrun.run import Run

    run = Run(flow)
    with Signals(run) as signals:
        run.when_overdue(lambda: os._exit(128 + signals.first if signals.first else FAILED))
        summary = run.run()
    if signals.first:
        raise KeyboardInterrupt
    return summary
