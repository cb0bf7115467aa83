"""`flowrun graph`"""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE
from flowrun.cli.override_flags import add_overrides, complete_bare_web
from flowrun.cli.parser import Parser
from flowrun.cli.stdout import print_stdout


def main(argv: Sequence[str]) -> int:
    """Print the chain that a run compiles the flow into, without opening or importing anything."""
    parser = Parser(prog="flowrun graph", description="Print the chain of a flow.")
    parser.add_argument("flow", metavar="FLOW.yaml")
    add_overrides(parser)
    add_env_file(parser)
    parser.add_argument("--format", choices=("text", "mermaid"), default="text")
    options = parser.parse_args(complete_bare_web(argv))

    from flowrun.spec.load import load_flow

    flow = load_flow(options.flow, overrides=options.overrides, environ=environ_of(options))
    from flowrun.inspect.graph.chain import chain_of
    from flowrun.inspect.graph.mermaid import mermaid
    from flowrun.inspect.graph.text import text

    print_stdout((mermaid if options.format == "mermaid" else text)(chain_of(flow)))
    return DONE
