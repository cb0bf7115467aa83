"""The process of a flow under `flowrun up`, and the zygote of such processes.

`python -m flowrun.cli.supervised [CHANNEL]`: with the number of a socket it is the zygote.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from functools import partial
from typing import Any

import numpy as np

from flowrun.cli.guarded import as_process
from flowrun.cli.run import run_flow
from flowrun.cli.stderr import log_to_stderr
from flowrun.cli.streams import stderr
from flowrun.up.child import Endpoint, obey
from flowrun.up.child_lines import report_line
from flowrun.up.order import Order, read_order
from flowrun.up.zygote import serve


def main() -> int:
    """Run the flow that the supervisor names on standard input."""
    if sys.argv[1:]:
        _import_all()
        if not serve(socket.socket(fileno=int(sys.argv[1]))):
            return 0
        np.random.seed()  # else all forks would draw the same numbers
    try:
        order = read_order(0)
    except EOFError:
        return 0
    commands = os.dup(0)  # a hook may read standard input
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return as_process(lambda: _run(order, commands), verbose=order.verbose)


def _run(order: Order, commands: int) -> int:
    log_to_stderr(verbose=order.verbose, level=order.log_level, as_json=True)
    options = argparse.Namespace(summary=None, benchmark=False, verbose=order.verbose)
    return run_flow(
        order.loaded.flow,
        order.loaded,
        options,
        observe=partial(Endpoint, token=order.token, report=_report),
        on_run=partial(obey, descriptor=commands),
    )


def _report(report: dict[str, Any]) -> None:
    print(report_line(report), file=stderr(), flush=True)


def _import_all() -> None:
    """Import what every flow needs, so that its process shares it."""

    import flowrun.cli.progress
    import flowrun.cli.signals
    import flowrun.media.pyav.decoder
    import flowrun.run  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
