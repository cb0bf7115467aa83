"""Read the flows that one supervisor runs, and notice when their files change."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from flowrun.errors import UsageError
from flowrun.spec.flow_files import yaml_files
from flowrun.spec.load import STDIN, LoadedFlow, load
from flowrun.spec.problems import FlowError, Problem
from flowrun.spec.validate_files import find_flows, find_flows_to_run

Stamps = Mapping[str, tuple[int, int, int] | None]


class Entry(NamedTuple):
    """One file: a flow, or its problems; and the files that it depends on."""

    file: Path
    loaded: LoadedFlow | None
    problems: tuple[Problem, ...]
    files: frozenset[str]


class FlowSet(NamedTuple):
    """All flows of some paths. `problems` are those of paths without a flow; `skipped` is how many
    other YAML files their directories have."""

    entries: list[Entry]
    problems: list[Problem]
    skipped: int


def read_flows(paths: Sequence[str], environ: Mapping[str, str]) -> FlowSet:
    """Read the flows in `paths`: files, directories and globs. Flows that are tests (`*.test.yaml`)
    are skipped unless they are named. Raises `UsageError` for standard input."""
    if STDIN in paths:
        raise UsageError("`up` does not read a flow from standard input", hint="name its file")
    found = find_flows_to_run(paths)
    entries = [_read(file, environ) for file in found.files]
    return FlowSet(entries, found.problems, len(found.others))


def _read(file: Path, environ: Mapping[str, str]) -> Entry:
    try:
        loaded = load(file, environ=environ)
    except FlowError as error:
        files = {str(file), *(problem.path for problem in error.problems)}
        return Entry(file, None, error.problems, frozenset(files))
    bases = (base.path for base in loaded.flow_text.bases)
    return Entry(file, loaded, (), frozenset({str(file), *bases}))


def stamps(paths: Sequence[str], further: Iterable[str]) -> Stamps:
    """What changes when a file of `paths`, of a directory among them, or of `further` does."""
    files = {Path(file) for file in further}
    for path in paths:
        files.update(yaml_files(path) if os.path.isdir(path) else find_flows([path]).files)
    return {str(file): _stamp(file) for file in files}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
