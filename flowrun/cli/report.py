"""`flowrun report`"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flowrun.cli.exit_codes import DONE, FAILED
from flowrun.cli.output_file import check_output
from flowrun.cli.parser import Parser
from flowrun.cli.stderr import print_stderr
from flowrun.cli.stdout import write_stdout
from flowrun.errors import UsageError


def main(argv: Sequence[str]) -> int:
    """Write an HTML page with plots of a finished run from its summary."""
    parser = Parser(prog="flowrun report", description="Write an HTML report of a finished run.")
    parser.add_argument("summary", metavar="SUMMARY", help="the file that `--summary` wrote")
    parser.add_argument("--lines", metavar="FILE", help="a file of a .jsonl sink: plots over time")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="- is stdout; default: SUMMARY with suffix .html"
    )
    parser.add_argument("-y", action="store_true", help="replace FILE, whatever it is")
    options = parser.parse_args(argv)

    from flowrun.inspect.report.page import is_page, page
    from flowrun.inspect.report.summary import read_summary
    from flowrun.inspect.report.timeline import read_lines

    summary = read_summary(options.summary)
    text = page(summary, read_lines(options.lines) if options.lines else None)
    if options.output == "-":
        return DONE if write_stdout(text, name="-o -") else FAILED
    target = Path(options.output or Path(options.summary).with_suffix(".html"))
    check_output(target, str(target), "a report", is_page, replace=options.y)
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{target}: {error.strerror}") from error
    print_stderr(f"flowrun: report written to {target}")
    return DONE
