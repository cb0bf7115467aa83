"""`flowrun schema`"""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.cli.exit_codes import DONE
from flowrun.cli.parser import Parser
from flowrun.cli.stdout import print_stdout


def main(argv: Sequence[str]) -> int:
    """Print the JSON Schema of a flow, or the reference page made from it."""
    parser = Parser(prog="flowrun schema", description="Print the JSON Schema of a flow.")
    parser.add_argument("--format", choices=("json", "markdown"), default="json")
    options = parser.parse_args(argv)

    from flowrun.spec.reference import reference
    from flowrun.spec.schema import schema_text

    print_stdout(schema_text().rstrip() if options.format == "json" else reference())
    return DONE
