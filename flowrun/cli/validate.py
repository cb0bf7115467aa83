"""`flowrun validate`"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE, INVALID
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import add_log_options, log_as
from flowrun.cli.stdout import print_stdout

if TYPE_CHECKING:
    from flowrun.spec.flow import Flow
    from flowrun.spec.problems import Remark
    from flowrun.spec.validate_files import Check


def main(argv: Sequence[str]) -> int:
    """Check flows without running them and print the problems."""
    parser = Parser(prog="flowrun validate", description="Check flows without running them.")
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="files, directories, globs; - is stdin"
    )
    parser.add_argument("--imports", action="store_true", help="import hooks, check signatures")
    parser.add_argument(
        "--live",
        action="store_true",
        help="open the source, run preprocess hooks, query server",
    )
    add_env_file(parser)
    parser.add_argument("--format", choices=("text", "json", "github"), default="text")
    add_log_options(parser)
    options = parser.parse_args(argv)

    from flowrun.spec.render import errors, render
    from flowrun.spec.validate_files import validate_files

    checks: list[Check] = [partial(_hooks, library_only=not options.imports)]
    if options.live:
        from flowrun.inspect.live_check import check

        log_as(options)
        checks.append(check)
    checked = validate_files(options.paths, checks=checks, environ=environ_of(options))
    text = render(checked.files, checked.problems, options.format, checked.skipped)
    print_stdout(text, color=options.format == "text")
    return INVALID if errors(checked.problems) else DONE


def _hooks(flow: Flow, *, library_only: bool) -> Iterator[Remark]:
    """The errors and notes about the hooks; about those that flowrun brings only, if the flow's own
    code is not to be imported."""
    if library_only and not any(hook.is_brought for hook in (*flow.preprocess, *flow.postprocess)):
        return  # without the time that the import takes
    from flowrun.hooks.combinations import unblurred_frames
    from flowrun.hooks.loader import check_hooks
    from flowrun.spec.problems import Remark

    for key in ("preprocess", "postprocess"):
        found = check_hooks(getattr(flow, key), key, library_only=library_only)
        yield from map(Remark.of, found)
    yield from unblurred_frames(flow)
