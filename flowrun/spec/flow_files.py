"""Find the flows among the YAML files of a directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from flowrun.spec.flow_reading import MAX_BYTES, read_file
from flowrun.spec.nodes import MalformedMessageError, Node
from flowrun.spec.yaml_parser import parse_yaml

FLOW_KEYS = ("version", "source", "transport", "extends")
_NEEDED = ("source", "transport", "sink")
_SUFFIXES = (".yaml", ".yml")
_FLOW_LINE = re.compile(rf"""^(?:\{{\s*)?["']?(?:{"|".join(FLOW_KEYS)})["']?\s*:""", re.MULTILINE)


def is_flow(text: str) -> bool:
    """Whether YAML text has one of `FLOW_KEYS` at its top level; if it cannot be parsed, whether a
    line begins with one of them."""
    try:
        root, _ = parse_yaml(text)
    except MalformedMessageError:
        return _FLOW_LINE.search(text) is not None
    return isinstance(root.value, dict) and not root.value.keys().isdisjoint(FLOW_KEYS)


def parts_of_flows(files: Iterable[Path]) -> set[Path]:
    """Those of `files` that others extend, and that are no whole flows."""
    roots = {file: _top_level(file) for file in files}
    extended = set()
    for file, root in roots.items():
        base = root.get("extends")
        if base is not None and isinstance(base.value, str):
            extended.add(os.path.realpath(file.parent / base.value))
    return {
        file
        for file, root in roots.items()
        if os.path.realpath(file) in extended and not root.keys() >= set(_NEEDED)
    }


def _top_level(file: Path) -> dict[str, Node]:
    """The keys of a file at its top level; none if it cannot be parsed."""
    try:
        root, _ = parse_yaml(read_file(file))
    except MalformedMessageError:
        return {}
    return root.value if isinstance(root.value, dict) else {}


def yaml_files(folder: str) -> list[Path]:
    """The *.yaml and *.yml files of a directory, at any depth, in order."""

    def found() -> Iterator[Path]:
        for parent, _, names in os.walk(folder):
            for name in names:
                if name.endswith(_SUFFIXES) and os.path.isfile(os.path.join(parent, name)):
                    yield Path(parent, name)

    return sorted(found())


def is_flow_file(path: Path) -> bool:
    """Whether the file is a flow. One that cannot be read may be one."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except OSError:
        return True
    utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # an error of its own in a flow
    return is_flow(data.decode("utf-16" if utf_16 else "utf-8-sig", "replace"))
