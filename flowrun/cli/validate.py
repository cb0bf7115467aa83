"""`flowrun validate`"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from flowrun.cli.env_file import add_env_file, environ_of
from flowrun.cli.exit_codes import DONE, INVALID
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import add_log_options, log_as
from flowrun.cli.stdout import print_stdout
from flowrun.errors import UsageError

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
    parser.add_argument(
        "--budget",
        action="store_true",
        help="add up network, requests in flight, memory and cores",
    )
    parser.add_argument(
        "--from",
        metavar="SUMMARY",
        dest="figures",
        help="with --budget: the summary of a run of such a flow, for measured figures",
    )
    add_env_file(parser)
    parser.add_argument("--format", choices=("text", "json", "github"), default="text")
    add_log_options(parser)
    options = parser.parse_args(argv)
    if options.figures and not options.budget:
        raise UsageError("--from needs --budget")

    from flowrun.spec.flow_files import is_test
    from flowrun.spec.render import errors, render
    from flowrun.spec.validate_files import validate_files

    checks: list[Check] = [partial(_hooks, library_only=not options.imports)]
    if options.live:
        from flowrun.inspect.live_check import check

        log_as(options)
        checks.append(check)
    checked = validate_files(options.paths, checks=checks, environ=environ_of(options))
    text = render(checked.files, checked.problems, options.format, checked.skipped)
    if options.budget:
        named = {*map(Path, options.paths)}
        flows = [each for file, each in checked.flows.items() if file in named or not is_test(file)]
        if flows:
            text = _with_budget(text, flows, options.format, options.figures)
    print_stdout(text, color=options.format == "text")
    return INVALID if errors(checked.problems) else DONE


def _with_budget(text: str, flows: Sequence[Flow], form: str, figures: str | None) -> str:
    """The report with the budget of `flows`: below it, or as the key `budget` of the JSON. GitHub's
    annotations have no place for it."""
    from flowrun.inspect.budget import Machine, Measured, budget, measured, to_json
    from flowrun.inspect.budget_text import as_text
    from flowrun.inspect.report.summary import read_summary

    earlier = measured(read_summary(figures)) if figures else Measured()
    budgets = [budget(flow, earlier) for flow in flows]
    if form == "json":
        found = {**json.loads(text), "budget": to_json(budgets, Machine.this())}
        return json.dumps(found, ensure_ascii=False, indent=2)
    return f"{text}\n{as_text(budgets, Machine.this())}" if form == "text" else text


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
