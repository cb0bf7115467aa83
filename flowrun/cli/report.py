"""`flowrun report`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowrun.cli.terminal import DONE, Parser, say
from flowrun.errors import UsageError


def main(words: Sequence[str]) -> int:
    """Make an HTML page with plots of a run from its summary."""
    parser = Parser(prog="flowrun report", description="A page about a run that is over.")
    parser.add_argument("summary", metavar="SUMMARY", help="what `--summary` wrote")
    parser.add_argument("--lines", metavar="FILE", help="what a .jsonl sink wrote: plots over time")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="where to; - is stdout; default: SUMMARY as .html"
    )
    options = parser.parse_args(words)

    from flowrun.inspect.report.page import page
    from flowrun.inspect.report.summary import read_summary
    from flowrun.inspect.report.timeline import read_lines

    summary = read_summary(options.summary)
    text = page(summary, read_lines(options.lines) if options.lines else None)
    if options.output == "-":
        print(text, end="")
        return DONE
    target = Path(options.output or Path(options.summary).with_suffix(".html"))
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from error
    say(f"flowrun: the report is in {target}")
    return DONE
