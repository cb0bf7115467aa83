"""Text → places → overrides → interpolation → JSON Schema → `Flow`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowrun.spec.build import build
from flowrun.spec.coerce import coerce
from flowrun.spec.flow import Flow
from flowrun.spec.interpolate import interpolate
from flowrun.spec.nodes import Finding, Node, Place, UnreadableError, find, plain
from flowrun.spec.origin import Origin, Override
from flowrun.spec.overrides import apply_overrides
from flowrun.spec.problems import FlowError, Problem, Remark
from flowrun.spec.schema import inlined
from flowrun.spec.validate import validate
from flowrun.spec.yaml_text import read_yaml, split_lines

LARGEST = 1024 * 1024  # bytes of a flow file
MOST_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Loaded:
    """A flow that still knows where its values stand."""

    flow: Flow
    root: Node
    origin: Origin

    def problem(self, remark: Remark) -> Problem:
        """`remark` at the value of its key, such as `transport.input` or `preprocess[0].hook`; the
        key stands in front of the message. Where the flow does not give it, at that of the nearest
        key that it gives. A source or sink whose URI the command line gave is known by that."""
        key, message, hint, severity = remark
        path = tuple(int(i) if i else name for i, name in re.findall(r"\[(\d+)\]|([^.[\]]+)", key))
        node = find(self.root, path)
        uri = node.value.get("uri") if isinstance(node.value, dict) else None
        node = uri if uri is not None and uri.place.override else node
        block = isinstance(node.value, dict | list)
        place = node.key_place or node.place if block else node.place
        problem = self.origin.problem(
            Finding(f"{key}: {message}" if key else message, place, key, hint)
        )
        return replace(problem, severity=severity)


def load_flow(
    path: str | Path,
    *,
    overrides: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> Flow:
    """The flow in the file at `path`, with `overrides` (`KEY=VALUE`, or a `Flag`) applied before
    validation.

    `environ` replaces the environment for `${NAME}`. Reads the file and nothing else: no network,
    no user code. Raises `FlowError` with all problems at once, in the order of the file.
    """
    return load(path, overrides=overrides, environ=environ).flow


def load(
    path: str | Path,
    *,
    overrides: Sequence[Override] = (),
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """As `load_flow`, with the places of the values."""
    origin = Origin(str(path), ("",), overrides)
    try:
        text = _read(Path(path))
        origin = Origin(origin.path, split_lines(text), origin.overrides)
        root, findings = read_yaml(text)
    except UnreadableError as error:
        raise FlowError([origin.problem(error.finding)]) from error
    if isinstance(root.value, dict):
        findings += apply_overrides(root, overrides)
        findings += interpolate(root, os.environ if environ is None else environ, origin)
        coerce(root, inlined())
    known = {finding.key for finding in findings if finding.key}
    findings += [finding for finding in validate(root) if finding.key not in known]
    if findings:
        raise FlowError(_problems(findings, origin))
    return Loaded(build(plain(root), name=Path(path).stem), root, origin)


def _problems(findings: list[Finding], origin: Origin) -> list[Problem]:
    findings = sorted(findings, key=lambda finding: finding.place)
    problems = [origin.problem(finding) for finding in findings[:MOST_PROBLEMS]]
    further = len(findings) - MOST_PROBLEMS
    if further > 0:
        message = f"{further} further problems are not shown"
        problems.append(origin.problem(Finding(message, findings[MOST_PROBLEMS].place)))
    return problems


def _read(path: Path) -> str:
    """The text of the file, without a byte order mark. Reads no more than `LARGEST` bytes."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                raise _too_large()
            data = file.read(LARGEST + 1)
    except FileNotFoundError as error:
        raise UnreadableError("there is no such file") from error
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else None
        raise UnreadableError(f"the file cannot be read: {said or error}") from error
    if len(data) > LARGEST:
        raise _too_large()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableError("the file is UTF-16, and a flow is UTF-8", hint="save it as UTF-8")
    if b"\0" in data:
        raise UnreadableError("this is a binary file, and a flow is a text in YAML")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        lines = split_lines(data[: error.start].removeprefix(b"\xef\xbb\xbf").decode("utf-8"))
        place = Place(False, len(lines), len(lines[-1]) + 1)
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise UnreadableError(message, place, "save the file as UTF-8") from error


def _too_large() -> UnreadableError:
    return UnreadableError(
        f"the file is larger than {LARGEST // 1024} KiB", hint="is this the right file?"
    )
