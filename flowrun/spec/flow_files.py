"""Find the flows among the YAML files of a directory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from flowrun.spec.flow_reading import MAX_BYTES
from flowrun.spec.nodes import MalformedMessageError, Node
from flowrun.spec.yaml_parser import parse_yaml

FLOW_KEYS = ("version", "source", "transport", "extends")
TEST_SUFFIXES = (".test.yaml", ".test.yml")  # of flows that are tests, for `flowrun test`
_NEEDED = ("source", "transport", "sink")
_SUFFIXES = (".yaml", ".yml")
_FLOW_LINE = re.compile(rf"""^(?:\{{\s*)?["']?(?:{"|".join(FLOW_KEYS)})["']?\s*:""", re.MULTILINE)


def flows_among(files: Iterable[Path]) -> list[Path]:
    """Those of `files` that are flows, in order, and not only parts that others of them extend; a
    test does extend a flow. Each is read once."""
    roots = {file: _read(file) for file in files}
    extended = {
        os.path.realpath(file.parent / base.value)
        for file, root in roots.items()
        if not is_test(file)
        and (base := root.keys.get("extends")) is not None
        and isinstance(base.value, str)
    }
    return [
        file
        for file, root in roots.items()
        if root.is_flow
        and (os.path.realpath(file) not in extended or root.keys.keys() >= set(_NEEDED))
    ]


def is_test(path: Path) -> bool:
    """Whether `path` is that of a test, by its name."""
    return path.name.endswith(TEST_SUFFIXES)


class _Root(NamedTuple):
    """The keys of a file at its top level, none if it cannot be parsed. It is a flow if it has one
    of `FLOW_KEYS` there; if it cannot be parsed, if a line begins with one of them."""

    is_flow: bool
    keys: Mapping[str, Node] = MappingProxyType({})


def _read(path: Path) -> _Root:
    """A file that cannot be read may be a flow."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except OSError:
        return _Root(is_flow=True)
    utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))  # an error of its own in a flow
    return _parsed(data.decode("utf-16" if utf_16 else "utf-8-sig", "replace"))


def _parsed(text: str) -> _Root:
    try:
        root, _ = parse_yaml(text)
    except MalformedMessageError:
        return _Root(_FLOW_LINE.search(text) is not None)
    if not isinstance(root.value, dict):
        return _Root(is_flow=False)
    return _Root(not root.value.keys().isdisjoint(FLOW_KEYS), root.value)


def yaml_files(folder: str, on_error: Callable[[OSError], None] | None = None) -> list[Path]:
    """The *.yaml and *.yml files of a directory, at any depth, in order. `on_error` gets the error
    of each directory that cannot be read."""

    def found() -> Iterator[Path]:
        for parent, _, names in os.walk(folder, onerror=on_error):
            for name in names:
                if name.endswith(_SUFFIXES) and os.path.isfile(os.path.join(parent, name)):
                    yield Path(parent, name)

    return sorted(found())
