"""`flowrun serve`"""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.cli.parser import Parser
from flowrun.cli.stderr import add_log_options, log_as, print_stderr


def main(argv: Sequence[str]) -> int:
    """Serve models until a signal arrives."""
    parser = Parser(prog="flowrun serve", description="A KServe v2 gRPC server for development.")
    parser.add_argument(
        "models",
        metavar="MODEL",
        nargs="+",
        help="a built-in model, package.module:name, or a file; NAME=MODEL gives it a name",
    )
    parser.add_argument("--address", metavar="HOST:PORT", default="127.0.0.1:9000")
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="the interpreter for your own models, and for built-in ones that need their own",
    )
    parser.add_argument(
        "--shape",
        metavar="SHAPE",
        action="append",
        default=[],
        help="another shape for the input of a model file, such as 1,3,640,640; -1 is any size;"
        " NAME=SHAPE for one of several inputs",
    )
    add_log_options(parser)
    options = parser.parse_args(argv)
    log_as(options)

    from flowrun.system.malloc import keep_freed_memory

    keep_freed_memory()
    from flowrun.cli.signals import wait_for_signal
    from flowrun.kserve.server.embedded import serve

    with serve(options.models, options.address, options.python, options.shape) as server:
        print_stderr(
            f"flowrun: serving {', '.join(server.models)} at {server.address}; Ctrl-C stops it"
        )
        number = wait_for_signal()
    return 128 + number
