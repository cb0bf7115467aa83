"""`flowrun schema`"""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.cli.terminal import DONE, Parser


def main(words: Sequence[str]) -> int:
    """Print the JSON Schema of a flow, or the page about its keys that is made from it."""
    parser = Parser(prog="flowrun schema", description="Print the JSON Schema of a flow.")
    parser.add_argument("--format", choices=("json", "markdown"), default="json")
    options = parser.parse_args(words)

    from flowrun.spec.reference import reference
    from flowrun.spec.schema import schema_text

    print(schema_text().rstrip() if options.format == "json" else reference())
    return DONE
