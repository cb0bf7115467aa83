"""Merge a flow with the files that it extends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flowrun.spec.flow_reading import read_file
from flowrun.spec.flow_text import FlowText
from flowrun.spec.interpolate import interpolate
from flowrun.spec.nodes import Finding, MalformedMessageError, Node, printable
from flowrun.spec.yaml_parser import parse_yaml, split_lines

KEY = "extends"
MAX_BASES = 10


class Bases:
    """The files that the flow of `flow_text` extends, one after the other. `flow_text` has their
    lines, `findings` what is wrong with them; `missing` is set if one of them cannot be used, so
    that the flow may lack keys."""

    def __init__(self, flow_text: FlowText, environ: Mapping[str, str]) -> None:
        self.flow_text = flow_text
        self.findings: list[Finding] = []
        self.missing = False
        self._environ = environ

    def merged(self, root: Node, path: Path | None) -> Node:
        """`root`, the flow in the file at `path` (`None`: standard input), merged with the files
        that it extends."""
        return self._merged(root, Path() if path is None else path.parent, [path] if path else [])

    def _merged(self, root: Node, folder: Path, chain: list[Path]) -> Node:
        node = root.value.get(KEY) if isinstance(root.value, dict) else None
        if node is None or node.value is None:
            return root
        interpolated = interpolate(Node({KEY: node}, root.location), self._environ, self.flow_text)
        self.findings += interpolated
        self.missing = self.missing or bool(interpolated)
        if interpolated or not isinstance(node.value, str) or not node.value:
            return root  # the schema reports another type
        path = folder / node.value
        if any(_same(path, each) for each in chain):
            circle = " → ".join(map(str, [*chain, path]))
            self._reject(node, f"the files extend each other: {circle}")
            return root
        if len(chain) > MAX_BASES:
            self._reject(node, f"more than {MAX_BASES} files")
            return root
        base = self._base(node, path)
        if base is None:
            return root
        return merge(self._merged(base, path.parent, [*chain, path]), root)

    def _base(self, node: Node, path: Path) -> Node | None:
        """The root of the file at `path`, which `node` names."""
        number = len(self.flow_text.bases) + 1
        try:
            text = read_file(path)
        except MalformedMessageError as error:
            finding = error.finding
            self._reject(node, f"{printable(str(node.value))}: {finding.message}", finding.hint)
            return None
        bases = (*self.flow_text.bases, FlowText(str(path), split_lines(text)))
        self.flow_text = replace(self.flow_text, bases=bases)
        try:
            base, findings = parse_yaml(text)
        except MalformedMessageError as error:
            base, findings = None, [error.finding]
        self.findings += [
            replace(each, location=each.location._replace(text=number)) for each in findings
        ]
        if base is None:
            self.missing = True
            return None
        if not isinstance(base.value, dict):
            self._reject(node, f"{printable(str(node.value))} is not a mapping")
            return None
        _move(base, number)
        return base

    def _reject(self, node: Node, message: str, hint: str = "") -> None:
        self.missing = True
        self.findings.append(Finding(f"`{KEY}`: {message}", node.location, KEY, hint))


def merge(base: Node, own: Node) -> Node:
    """`own` with what `base` has in addition: mappings are merged, anything else is that of
    `own`."""
    if not isinstance(base.value, dict) or not isinstance(own.value, dict):
        return own
    values = dict(base.value)
    for key, node in own.value.items():
        values[key] = merge(values[key], node) if key in values else node
    return replace(own, value=values)


def without_extends(root: Node) -> Node:
    """`root` without the key, which is that of a whole flow then. Of another type than a path it is
    kept, for the schema to report."""
    if not isinstance(root.value, dict) or KEY not in root.value:
        return root
    if not isinstance(root.value[KEY].value, str | None) or root.value[KEY].value == "":
        return root
    return replace(root, value={k: v for k, v in root.value.items() if k != KEY})


def _move(node: Node, text: int) -> None:
    """Make `text` that of all locations below `node`."""
    node.location = node.location._replace(text=text)
    if node.key_location is not None:
        node.key_location = node.key_location._replace(text=text)
    if isinstance(node.value, dict):
        for child in node.value.values():
            _move(child, text)
    elif isinstance(node.value, list):
        for child in node.value:
            _move(child, text)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)
