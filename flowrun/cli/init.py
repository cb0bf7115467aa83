"""`flowrun init`"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from flowrun.cli.exit_codes import DONE
from flowrun.cli.parser import Parser, nearest
from flowrun.cli.stderr import print_stderr
from flowrun.errors import UsageError

FOLDER = Path(__file__).parent / "templates"
TEMPLATES = ("file", "rtsp", "detector", "holistic")
_PLACEHOLDER = "FLOW.yaml"  # in a template: the file that is written


def main(argv: Sequence[str]) -> int:
    """Write a flow to start from, made from a template."""
    parser = Parser(
        prog="flowrun init",
        description="Write a flow to start from.",
        epilog=f"templates:\n{_listed()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", metavar="NAME", nargs="?", default="flow", help="of the flow's file; default: flow"
    )
    parser.add_argument(
        "--template", metavar="NAME", default=TEMPLATES[0], help=f"default: {TEMPLATES[0]}"
    )
    parser.add_argument("-y", action="store_true", help="replace the file if it exists")
    options = parser.parse_args(argv)

    if options.template not in TEMPLATES:
        near = nearest(options.template, TEMPLATES)
        hint = f"did you mean `{near}`?\n" if near else ""
        raise UsageError(
            f"there is no template `{options.template}`", hint=f"{hint}templates:\n{_listed()}"
        )
    named = Path(options.name)
    if named.is_dir():
        hint = f"name a file in it, such as {named / 'flow.yaml'}"
        raise UsageError(f"{named} is a directory", hint=hint)
    target = named if named.suffix in (".yaml", ".yml") else Path(f"{named}.yaml")
    text = _template(options.template).replace(_PLACEHOLDER, str(target))
    _write(target, text, replace=options.y)
    print_stderr(
        f"flowrun: {target} written, from the template `{options.template}`\n"
        f"  flowrun {target}             # run it\n"
        f"  flowrun validate {target}    # check it"
    )
    return DONE


def _template(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def _listed() -> str:
    """A line for each template: its name, and the comment in the first line of its file."""
    width = max(map(len, TEMPLATES))
    comments = (_template(name).splitlines()[0].removeprefix("# ") for name in TEMPLATES)
    return "\n".join(
        f"  {name:{width}}  {comment}" for name, comment in zip(TEMPLATES, comments, strict=True)
    )


def _write(path: Path, text: str, *, replace: bool) -> None:
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError(
            f"{path}: the file exists", hint="choose another name, or replace it with -y"
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
