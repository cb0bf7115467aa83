"""Load a flow: YAML text → nodes with locations → overrides → interpolation → schema → `Flow`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowrun.errors import FlowrunError
from flowrun.foreign import one_line
from flowrun.spec.build import build
from flowrun.spec.coerce import coerce
from flowrun.spec.doubtful import doubtful
from flowrun.spec.extends import Bases, without_extends
from flowrun.spec.flow import Flow
from flowrun.spec.flow_reading import read_file, read_stdin
from flowrun.spec.flow_text import FlowText, Override
from flowrun.spec.interpolate import interpolate
from flowrun.spec.nodes import Finding, MalformedMessageError, Node, find, plain_value
from flowrun.spec.overrides import apply_overrides
from flowrun.spec.problems import FlowError, Problem, Remark
from flowrun.spec.schema import inlined
from flowrun.spec.validate import validate
from flowrun.spec.yaml_parser import parse_yaml, split_lines

MAX_PROBLEMS = 100
STDIN = "-"  # as a path: standard input


@dataclass(frozen=True, slots=True)
class LoadedFlow:
    """A flow with the locations of its values. `notes` are what is doubtful in it, but valid."""

    flow: Flow
    root: Node
    flow_text: FlowText
    notes: tuple[Problem, ...] = ()

    def problem_of(self, error: FlowrunError) -> Problem | None:
        """`error` as a problem of the flow; `None` if it is not about a key of the flow."""
        if error.key is None or error.key.startswith("--"):
            return None
        return self.problem(Remark.of(error))

    def problem(self, remark: Remark) -> Problem:
        """Locate `remark` at the value of its key, such as `transport.input` or
        `preprocess[0].hook`, and prefix the message with the key. If the flow does not have the
        key, the location is that of the nearest parent. For a source or sink whose URI was given on
        the command line, it is that override."""
        key, message, hint, severity = remark
        path = tuple(int(i) if i else name for i, name in re.findall(r"\[(\d+)\]|([^.[\]]+)", key))
        node = find(self.root, path)
        uri = node.value.get("uri") if isinstance(node.value, dict) else None
        node = uri if uri is not None and uri.location.override else node
        block = isinstance(node.value, dict | list)
        location = node.key_location or node.location if block else node.location
        problem = self.flow_text.problem(
            Finding(f"{key}: {message}" if key else message, location, key, hint)
        )
        return replace(problem, severity=severity)


def load_flow(
    path: str | Path,
    *,
    overrides: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> Flow:
    """Load the flow in the file at `path` (`-`: standard input), with `overrides` (`KEY=VALUE`, or
    a `Flag`) applied before validation.

    `environ` replaces the environment for `${NAME}`. Only reads the file: no network, no user code.
    Raises `FlowError` with all problems at once, in the order of the file.
    """
    return load(path, overrides=overrides, environ=environ).flow


def load(
    path: str | Path,
    *,
    overrides: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> LoadedFlow:
    """Like `load_flow`, with the locations of the values."""
    stdin = str(path) == STDIN
    flow_text = FlowText(name_of(path), ("",), overrides)
    try:
        text = read_stdin() if stdin else read_file(Path(path))
        flow_text = FlowText(flow_text.path, split_lines(text), flow_text.overrides)
        root, findings = parse_yaml(text)
    except MalformedMessageError as error:
        raise FlowError([flow_text.problem(error.finding)]) from error
    environ = os.environ if environ is None else environ
    bases = Bases(flow_text, environ)
    root = bases.merged(root, None if stdin else Path(path))
    flow_text, findings = bases.flow_text, [*findings, *bases.findings]
    if bases.missing:
        raise FlowError(_problems(findings, flow_text))
    if isinstance(root.value, dict):
        findings += apply_overrides(root, overrides)
        findings += interpolate(root, environ, flow_text)
        coerce(root, inlined())
    known = {finding.key for finding in findings if finding.key}
    findings += [finding for finding in validate(without_extends(root)) if finding.key not in known]
    if findings:
        raise FlowError(_problems(findings, flow_text))
    name = "stdin" if stdin else one_line(Path(path).stem)
    notes = (replace(flow_text.problem(each), severity="note") for each in doubtful(root))
    files = [each.path for each in (flow_text, *flow_text.bases)][stdin:]
    folders = tuple(dict.fromkeys(os.path.dirname(os.path.abspath(file)) for file in files))
    flow = build(plain_value(without_extends(root)), name=name, folders=folders)
    return LoadedFlow(flow, root, flow_text, tuple(notes))


def name_of(path: str | Path) -> str:
    """The path of a flow in messages."""
    return "<stdin>" if str(path) == STDIN else str(path)


def _problems(findings: list[Finding], flow_text: FlowText) -> list[Problem]:
    findings = sorted(findings, key=lambda finding: finding.location)
    problems = [flow_text.problem(finding) for finding in findings[:MAX_PROBLEMS]]
    further = len(findings) - MAX_PROBLEMS
    if further > 0:
        message = f"{further} further problems are not shown"
        problems.append(flow_text.problem(Finding(message, findings[MAX_PROBLEMS].location)))
    return problems
