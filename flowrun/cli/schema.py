"""`flowrun schema`"""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.cli.terminal import DONE, Parser


def main(words: Sequence[str]) -> int:
    """Print the JSON Schema of a flow."""
    parser = Parser(prog="flowrun schema", description="Print the JSON Schema of a flow.")
    parser.parse_args(words)

    from flowrun.spec.schema import schema_text

    print(schema_text().rstrip())
    return DONE
