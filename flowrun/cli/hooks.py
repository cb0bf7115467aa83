"""`flowrun hooks`"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flowrun.cli.exit_codes import DONE
from flowrun.cli.parser import Parser, nearest
from flowrun.cli.stdout import print_stdout
from flowrun.errors import UsageError


def main(argv: Sequence[str]) -> int:
    """Print the hooks that flowrun brings, with their options, types and defaults."""
    parser = Parser(prog="flowrun hooks", description="List the hooks that flowrun brings.")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these hooks")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    options = parser.parse_args(argv)

    from flowrun.spec.hook_options import hooks

    known = hooks()
    for name in options.names:
        if name not in known:
            meant = nearest(name, list(known))
            hint = f"did you mean `{meant}`?" if meant else f"hooks: {', '.join(known)}"
            raise UsageError(f"flowrun brings no hook `{name}`", hint=hint)
    chosen = {name: known[name] for name in options.names or known}
    if options.format == "json":
        print_stdout(json.dumps([_data(name, of) for name, of in chosen.items()], indent=2))
    else:
        print_stdout("\n".join(_lines(chosen)))
    return DONE


def _data(name: str, of: Mapping[str, Any]) -> dict[str, Any]:
    options = [
        {"name": option, "required": option in of.get("required", ()), **part}
        for option, part in of["properties"].items()
    ]
    return {
        "name": name,
        "stage": of["x-hook"],
        "description": of["description"],
        "options": [
            {key: value for key, value in option.items() if key not in ("pattern", "errorMessage")}
            for option in options
        ],
    }


def _lines(chosen: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for stage in ("preprocess", "postprocess"):
        names = [name for name, of in chosen.items() if of["x-hook"] == stage]
        if names:
            yield f"{stage}:"
        for name in names:
            of = chosen[name]
            yield f"  {name}: {of['description']}"
            width = max(map(len, of["properties"]), default=0)
            for option, part in of["properties"].items():
                required = option in of.get("required", ())
                default = "required" if required else json.dumps(part["default"])
                yield f"    {option:{width}}  {_type(part)} ({default}): {part['description']}"


def _type(part: Mapping[str, Any]) -> str:
    """The values that an option may have, in words."""
    if "enum" in part:
        return "|".join(part["enum"])
    named = part["type"]
    return "|".join([named] if isinstance(named, str) else named)
