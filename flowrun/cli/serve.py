"""`flowrun serve`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from flowrun.cli.terminal import Parser, log_to_stderr, say


def main(words: Sequence[str]) -> int:
    """Serve models until a signal comes."""
    parser = Parser(prog="flowrun serve", description="A KServe v2 gRPC server for development.")
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        help="a built-in one, package.module:name, or a file; NAME=MODEL gives it a name",
    )
    parser.add_argument("--address", metavar="HOST:PORT", default="127.0.0.1:9000")
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="run models of your own, and those that need it, with this interpreter",
    )
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    log_to_stderr(verbose=options.verbose)

    from flowrun.system.malloc import keep_freed_memory

    keep_freed_memory()
    from flowrun.cli.signals import wait_for_signal
    from flowrun.kserve.server.embedded import serve

    with serve(options.models, options.address, options.python) as server:
        say(f"flowrun: serving {', '.join(server.models)} at {server.address}; Ctrl-C ends it")
        number = wait_for_signal()
    return 128 + number
