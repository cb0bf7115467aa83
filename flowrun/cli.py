"""The command line: the only place that prints, sets exit codes and listens to signals."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from flowrun import __version__
from flowrun.errors import FlowrunError, InvalidFlowError, LedgerError, UsageError

if TYPE_CHECKING:
    from flowrun.run import Run
    from flowrun.spec.flow import Flow

DONE, FAILED, USAGE, INTERNAL, INVALID = 0, 1, 2, 70, 78
COMMANDS = ("validate", "serve", "devices", "schema")
USE = """flowrun FLOW.yaml [--set KEY=VALUE]… [--summary FILE|-]      run it
       flowrun validate PATH… [--imports] [--format text|json|github]
       flowrun serve MODEL… [--address HOST:PORT]
       flowrun devices
       flowrun schema"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 the run failed, 2 usage, 70 a bug in
    flowrun, 78 the flow is invalid, 128 + n after signal n."""
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = "--verbose" in words
    try:
        command = words[0] if words and words[0] in COMMANDS else "run"
        return _PARSERS[command](words if command == "run" else words[1:])
    except FlowrunError as error:
        if verbose:
            traceback.print_exc()
        _say(str(error) if isinstance(error, InvalidFlowError) else f"flowrun: error: {error}")
        return _code(error)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing is left to say, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception:
        traceback.print_exc()
        _say("flowrun: this is a bug in flowrun; please report it with the lines above")
        return INTERNAL


def _run(words: Sequence[str]) -> int:
    parser = _Parser(prog="flowrun", usage=USE, description="Run a flow.")
    parser.add_argument("flow", metavar="FLOW.yaml")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], dest="settings")
    parser.add_argument("--summary", metavar="FILE", help="write the summary as JSON; - is stdout")
    parser.add_argument(
        "--limit-frames", "--limit_frames", metavar="N", help="capture exactly N frames"
    )
    parser.add_argument("--verbose", action="store_true", help="more log lines, and tracebacks")
    parser.add_argument("--version", action="version", version=f"flowrun {__version__}")
    options = parser.parse_args(words)
    _log_to_stderr(verbose=options.verbose)
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
                _say(str(loaded.problem(error.key, message, hint)))
                return _code(error)
            _summarise(run, options.summary)
            raise
    _summarise(run, options.summary)
    return 128 + signals.first if signals.first else DONE


def _summarise(run: Run, target: str | None) -> None:
    """The summary as text to stderr, if anything was captured, and as JSON where it was asked."""
    summary = run.summary()
    if summary.captured:
        _say(str(summary))
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
    _say("flowrun: a hook, a model or a server did not return; left without it")
    os._exit(128 + number)


def _validate(words: Sequence[str]) -> int:
    parser = _Parser(prog="flowrun validate", description="Check flows without running them.")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files, directories, globs")
    parser.add_argument("--imports", action="store_true", help="import hooks, check signatures")
    parser.add_argument("--live", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--format", choices=("text", "json", "github"), default="text")
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.live:
        raise UsageError("--live is not supported yet")

    from flowrun.spec.check import check_paths
    from flowrun.spec.report import render

    files, problems = check_paths(options.paths, imports=_imports if options.imports else None)
    print(render(files, problems, options.format))
    return INVALID if problems else DONE


def _imports(flow: Flow) -> Iterable[tuple[str, str, str]]:
    from flowrun.hooks.hook import check_hooks

    return check_hooks(flow.preprocess, "preprocess") + check_hooks(flow.postprocess, "postprocess")


def _serve(words: Sequence[str]) -> int:
    parser = _Parser(prog="flowrun serve", description="A KServe v2 gRPC server for development.")
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", help="built-in or package.module:name"
    )
    parser.add_argument("--address", metavar="HOST:PORT", default="127.0.0.1:9000")
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    _log_to_stderr(verbose=options.verbose)

    from flowrun.kserve.server import serve
    from flowrun.signals import wait_for_signal

    with serve(options.models, options.address) as server:
        _say(f"flowrun: serving {', '.join(options.models)} at {server.address}; Ctrl-C ends it")
        number = wait_for_signal()
    return 128 + number


def _devices(words: Sequence[str]) -> int:
    parser = _Parser(
        prog="flowrun devices",
        description="List the cameras of this machine, as a source has them.",
    )
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    parser.parse_args(words)
    from flowrun.media.devices import devices

    found = devices()
    width = max((len(device.uri) for device in found), default=0)
    for device in found:
        print(f"{device.uri:{width}}  {device.name}")
    if not found:
        _say("flowrun: no camera was found on this machine")
    return DONE  # also without one: an empty list is the right answer


def _schema(words: Sequence[str]) -> int:
    parser = _Parser(prog="flowrun schema", description="Print the JSON Schema of a flow.")
    parser.parse_args(words)
    from flowrun.spec.schema import schema_text

    print(schema_text().rstrip())
    return DONE


_PARSERS: dict[str, Callable[[Sequence[str]], int]] = {
    "run": _run,
    "validate": _validate,
    "serve": _serve,
    "devices": _devices,
    "schema": _schema,
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)


def _code(error: FlowrunError) -> int:
    codes = {UsageError: USAGE, InvalidFlowError: INVALID, LedgerError: INTERNAL}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), FAILED)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _log_to_stderr(*, verbose: bool) -> None:
    logging.basicConfig(format="flowrun: %(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("flowrun").setLevel(logging.DEBUG if verbose else logging.INFO)


if __name__ == "__main__":
    sys.exit(main())
