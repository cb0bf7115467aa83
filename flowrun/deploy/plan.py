"""What has to be deployed for a flow: its files, its variables, its folders and its kind."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from flowrun.deploy.names import config_key, label
from flowrun.inspect.budget import Budget, budget
from flowrun.spec.flow import Flow
from flowrun.spec.flow_text import FlowText
from flowrun.spec.interpolate import InterpolationError, references
from flowrun.spec.load import LoadedFlow
from flowrun.spec.nodes import MalformedMessageError, Node, leaves
from flowrun.spec.yaml_parser import parse_yaml

HOME = "/flows"  # the working directory of the image
CONFIG = "/etc/flowrun"
MARGIN = 1.5  # of the estimated memory, as its limit
_MEBIBYTE = 2**20
_RECORDING = re.compile(r"(?i)\.(mp4|mkv|avi|mov|webm|ts)([?#].*)?$")


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder of the pod for `files` that the flow reads or writes."""

    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """`path` is that of the flow, `files` maps paths below `CONFIG` to the text of the flow and of
    the files that it extends, `entry` is the flow's. `variables` are all that they use, with
    whether each may be unset. `cpu` is in thousandths of a core, the memory in MiB."""

    name: str
    path: str
    flow: Flow
    kind: Literal["Deployment", "Job"]
    entry: str
    files: dict[str, str]
    variables: dict[str, bool]
    mounts: tuple[Mount, ...]
    port: int
    cpu: int
    memory: int
    memory_limit: int

    @property
    def secret(self) -> str:
        return f"{self.name}-env"

    def keys(self) -> dict[str, str]:
        """The keys of the ConfigMap, with the path of each file below `CONFIG`."""
        found: dict[str, str] = {}
        for path in sorted(self.files):
            found[config_key(path, found)] = path
        return found


def plan(loaded: LoadedFlow) -> Plan:
    """What is to be deployed for a flow."""
    flow, texts = loaded.flow, [loaded.flow_text, *loaded.flow_text.bases]
    paths = [os.path.realpath(text.path) for text in texts]
    root = os.path.commonpath([os.path.dirname(path) for path in paths])
    named = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
    cost: Budget = budget(flow)
    memory = _rounded(cost.memory_bytes / _MEBIBYTE, 64)
    return Plan(
        label(flow.name),
        loaded.flow_text.path,
        flow,
        "Job" if is_finite(flow) else "Deployment",
        named[0],
        {name: _text(text) for name, text in zip(named, texts, strict=True)},
        _variables(loaded, texts),
        tuple(_mounts(flow)),
        _free_port(flow),
        max(100, _rounded(cost.cores * 1000, 50)),
        memory,
        _rounded(memory * MARGIN, 64),
    )


def is_finite(flow: Flow) -> bool:
    """Whether the run ends by itself: a file that is not looped, a recording over HTTP by the name
    in its URL, or limits."""
    if flow.limits.frames is not None or flow.limits.duration is not None:
        return True
    if flow.source.loop or flow.source.poll is not None:
        return False
    kind, uri = flow.source.kind, flow.source.uri
    return kind == "file" or (kind == "http" and _RECORDING.search(uri) is not None)


def raw_leaves(text: FlowText) -> Iterator[tuple[tuple[str | int, ...], Node]]:
    """The scalars of a file as they are written, before interpolation."""
    try:
        root, _ = parse_yaml("\n".join(text.lines))
    except MalformedMessageError:
        return
    yield from leaves(root)


def _variables(loaded: LoadedFlow, texts: list[FlowText]) -> dict[str, bool]:
    """By name, in order; one that only a replaced value of a base needs may be unset, too."""
    used = {each.name for _, node in leaves(loaded.root) for each in node.variables}
    found: dict[str, bool] = {}
    for text in texts:
        for _, node in raw_leaves(text):
            if isinstance(node.value, str):
                try:
                    names = references(node.value)
                except InterpolationError:
                    continue  # in a value of a base that the flow replaces
                for name, optional in names.items():
                    found[name] = found.get(name, True) and (optional or name not in used)
    return dict(sorted(found.items()))


def _mounts(flow: Flow) -> Iterator[Mount]:
    """The folders for the files of source and sinks; those below /tmp are the pod's own."""
    files = [flow.source.uri] if flow.source.kind == "file" else []
    files += [each.uri for each in flow.sinks if each.kind in ("video", "jsonl", "hls")]
    folders: dict[str, list[str]] = {}
    for file in files:
        path = PurePosixPath(
            posixpath.normpath(posixpath.join(HOME, file.partition("%")[0] or "x"))
        )
        folder = HOME if path.is_relative_to(HOME) else str(path.parent)
        if folder != "/tmp" and not folder.startswith("/tmp/"):  # noqa: S108
            folders.setdefault(folder, []).append(file)
    for folder, names in folders.items():
        yield Mount(folder, tuple(names))


def _free_port(flow: Flow) -> int:
    """The port for metrics and probes, unlike that of a page."""
    taken = {each.uri.rpartition(":")[2] for each in flow.sinks if each.kind == "web"}
    return next(port for port in range(9100, 9200) if str(port) not in taken)


def _text(text: FlowText) -> str:
    return "\n".join(text.lines).rstrip("\n") + "\n"


def _rounded(value: float, step: int) -> int:
    return -int(-value // step) * step
