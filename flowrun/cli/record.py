"""`flowrun record FLOW --to CASSETTE`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flowrun import __version__
from flowrun.cli.override_flags import complete_bare_web
from flowrun.cli.parser import Parser
from flowrun.cli.run import add_run_options, run_with_options
from flowrun.errors import UsageError

if TYPE_CHECKING:
    from flowrun.kserve.cassette.recorder import Recorder
    from flowrun.spec.flow import Flow


def main(argv: Sequence[str]) -> int:
    """Run a flow and keep what the model server answers, as `address: replay:CASSETTE` needs it."""
    parser = Parser(
        prog="flowrun record",
        description="Run a flow and record the responses of its model server.",
    )
    add_run_options(parser)
    parser.add_argument("--to", metavar="CASSETTE", required=True, help="the file; -y replaces it")
    parser.add_argument(
        "--max-size",
        metavar="SIZE",
        default="4G",
        help="end the run when the file has this size, such as 500M; default: 4G",
    )
    options = parser.parse_args(complete_bare_web(argv))
    options.max_bytes = _bytes(options.max_size)
    return run_with_options(options, lambda flow: _recorder(options, flow))


def _recorder(options: argparse.Namespace, flow: Flow) -> Recorder:
    from flowrun.kserve.cassette.content import Header
    from flowrun.kserve.cassette.recorder import Recorder
    from flowrun.spec.same_file import identity

    path = Path(options.to)
    used = {f"{sink.file}": "a sink writes this file" for sink in flow.sinks if sink.file}
    used[options.flow] = "this is the flow"
    if flow.source.kind == "file":
        used[flow.source.uri] = "the source reads this file"
    if flow.transport.cassette is not None:
        used[flow.transport.cassette] = "the flow is answered from this file"
    for file, use in used.items():
        if identity(file) == identity(options.to):
            raise UsageError(f"--to {options.to}: {use}", hint="choose another path")
    if path.is_dir():
        raise UsageError(f"--to {options.to}: this is a directory", hint="name a file in it")
    if options.to == "-" or (path.exists() and not path.is_file()):  # a device, a pipe
        raise UsageError(f"--to {options.to}: this is not a file", hint="choose another path")
    if path.exists() and not options.y:
        raise UsageError(
            f"--to {options.to}: the file exists", hint="choose another path, or replace it with -y"
        )
    spec = flow.transport
    header = Header(
        flow=flow.name,
        recorded=datetime.now().astimezone().isoformat(timespec="seconds"),
        flowrun=__version__,
        mode=spec.mode,
        model=spec.model,
        model_version=spec.version,
    )
    return Recorder(
        path.absolute(),  # a hook may change the directory
        header,
        timeout=spec.timeout,
        headers=spec.headers,
        replace=options.y,
        max_bytes=options.max_bytes,
    )


def _bytes(text: str) -> int:
    """The size that `--max-size` names."""
    from flowrun.spec.units import amount

    try:
        return amount(text)
    except ValueError as error:
        raise UsageError(f"--max-size: {error}", hint="for instance 500M or 2G") from error
