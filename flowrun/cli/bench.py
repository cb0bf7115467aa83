"""`flowrun bench`"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowrun.cli.demo_client_flags import add_overrides, bare
from flowrun.cli.terminal import DONE, Parser, exit_code, log_to_stderr, say
from flowrun.errors import FlowrunError, UsageError

if TYPE_CHECKING:
    from flowrun.inspect.bench import Trial
    from flowrun.ledger.ledger import Summary
    from flowrun.spec.flow import Flow

FRAMES = 200
HEAD = "in_flight  delivered      fps   answer ms p50 / p95   whole way ms p50 / p95"


def main(words: Sequence[str]) -> int:
    """Measure a flow and print what holds it up, and the window that it needs."""
    parser = Parser(
        prog="flowrun bench",
        description="Measure a flow: how many frames per second, and what holds it up. Its sinks"
        " get nothing.",
    )
    parser.add_argument("flow", metavar="FLOW.yaml")
    parser.add_argument("--frames", metavar="N", type=int, default=FRAMES, help="in each run")
    add_overrides(parser)
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(bare(words))
    if options.frames < 1:
        raise UsageError(f"{options.frames} is no number of frames", key="--frames")
    log_to_stderr(verbose=options.verbose)
    if not options.verbose:
        logging.getLogger("flowrun").setLevel(logging.WARNING)

    from flowrun.spec.load import load
    from flowrun.spec.problems import Remark
    from flowrun.system.malloc import keep_freed_memory

    loaded = load(options.flow, overrides=options.overrides)
    keep_freed_memory()
    try:
        _measure(loaded.flow, options.frames)
    except FlowrunError as error:
        if error.key is None or error.key.startswith("--"):
            raise
        say(str(loaded.problem(Remark.of(error))))
        return exit_code(error)
    return DONE


def _measure(flow: Flow, frames: int) -> None:
    import tempfile

    from flowrun.inspect.bench import best, bottleneck, sweep, with_sink

    print(f"{flow.name}: the first {frames} frames, its sink replaced by null")
    print(HEAD, flush=True)
    trials = []
    for trial in sweep(flow, frames, _execute):
        trials.append(trial)
        print(_line(trial), flush=True)
    chosen = best(trials)
    with tempfile.TemporaryDirectory() as folder:
        sunk = with_sink(flow, frames, chosen.window, Path(folder), _execute)
    if sunk is not None:
        print(f"with {sunk.sink} (written elsewhere), {sunk.window} in flight:")
        print(_line(sunk))
    print(f"what holds it up is {bottleneck(chosen, sunk)}")
    print(f"the smallest window that is as fast as any:\ntransport:\n  in_flight: {chosen.window}")


def _line(trial: Trial) -> str:
    summary = trial.summary
    answer, whole = (
        "{p50} / {p95}".format(
            **{name: "-" if ms is None else f"{ms:.1f}" for name, ms in latency.items()}
        )
        for latency in (summary.latency_ms["transport"], summary.latency_ms["end_to_end"])
    )
    return f"{trial.window:9}{summary.delivered:11}{summary.fps:9.1f}{answer:>22}{whole:>25}"


def _execute(flow: Flow) -> Summary:
    """One run. A signal ends it and everything else."""
    from flowrun.cli.signals import Signals
    from flowrun.run import Run

    run = Run(flow)
    with Signals(run, last=lambda number: os._exit(128 + number)) as signals:
        summary = run.run()
    if signals.first:
        raise KeyboardInterrupt
    return summary
