"""Make docs/gallery.md and the pictures of docs/images.

    python -m docs.images [--check] [--output FOLDER] [NAME…]

NAME is that of a flow of flows/, or `web-page` for the picture of README; all of them by default.
`--output` writes the pictures elsewhere and leaves the page as it is. `--check` runs no flow: exit
code 1 if a flow has no entry or no picture, or if the page is out of date.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from docs.images import gallery

FOLDER = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m docs.images",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--output", type=Path, metavar="FOLDER")
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if unknown := set(options.names) - set(gallery.names()):
        parser.error(f"there is no flow {sorted(unknown)[0]!r}")
    if options.check:
        problems = gallery.problems(FOLDER)
        for problem in problems:
            print(problem, file=sys.stderr)
        return bool(problems)
    from docs.images.render import render  # needs openvino

    with tempfile.TemporaryDirectory() as work:
        render(options.names or gallery.names(), options.output or FOLDER, Path(work))
    if options.output is None:
        gallery.PAGE.write_text(gallery.page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
