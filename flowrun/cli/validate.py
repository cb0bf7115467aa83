"""`flowrun validate`"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flowrun.cli.exit_codes import DONE, INVALID
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import log_to_stderr
from flowrun.cli.stdout import print_stdout

if TYPE_CHECKING:
    from flowrun.spec.flow import Flow
    from flowrun.spec.problems import Remark
    from flowrun.spec.validate_files import Check


def main(argv: Sequence[str]) -> int:
    """Check flows without running them and print the problems."""
    parser = Parser(prog="flowrun validate", description="Check flows without running them.")
    parser.add_argument("paths", metavar="PATH", nargs="+", help="files, directories, globs")
    parser.add_argument("--imports", action="store_true", help="import hooks, check signatures")
    parser.add_argument(
        "--live",
        action="store_true",
        help="open the source, run preprocess hooks, query server",
    )
    parser.add_argument("--format", choices=("text", "json", "github"), default="text")
    parser.add_argument("--verbose", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)

    from flowrun.spec.render import errors, render
    from flowrun.spec.validate_files import validate_files

    checks: list[Check] = [_imports] if options.imports else []
    if options.live:
        from flowrun.inspect.live_check import check

        log_to_stderr(verbose=options.verbose)
        checks.append(check)
    files, problems = validate_files(options.paths, checks=checks)
    print_stdout(render(files, problems, options.format))
    return INVALID if errors(problems) else DONE


def _imports(flow: Flow) -> Iterator[Remark]:
    from flowrun.hooks.loader import check_hooks
    from flowrun.spec.problems import Remark

    for key in ("preprocess", "postprocess"):
        yield from map(Remark.of, check_hooks(getattr(flow, key), key))
