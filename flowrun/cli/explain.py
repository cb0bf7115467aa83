"""`flowrun explain`"""

from __future__ import annotations

import json
from collections.abc import Sequence

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE
from flowrun.cli.override_flags import add_overrides, complete_bare_web
from flowrun.cli.parser import Parser
from flowrun.cli.stdout import print_stdout


def main(argv: Sequence[str]) -> int:
    """Print every value of a flow and where it comes from; secrets are masked.

    As JSON: `{"flow", "path", "values": [{"key", "value", "line", "flag", "variables", "means",
    "file"}]}`.
    """
    parser = Parser(
        prog="flowrun explain", description="Print every value of a flow, and where it comes from."
    )
    parser.add_argument("flow", metavar="FLOW.yaml")
    add_overrides(parser)
    add_env_file(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(complete_bare_web(argv))

    from flowrun.inspect.explain import explain, table
    from flowrun.spec.load import load

    loaded = load(options.flow, overrides=options.overrides, environ=environ_of(options))
    values = explain(loaded)
    if options.format == "json":
        listed = [value.to_json() for value in values]
        found = {"flow": loaded.flow.name, "path": loaded.flow_text.path, "values": listed}
        print_stdout(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        print_stdout(table(values))
    return DONE
