"""Validate many flow files at once."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from flowrun.spec.flow import Flow
from flowrun.spec.flow_files import FLOW_KEYS, flows_among, is_test, yaml_files
from flowrun.spec.flow_reading import nearest_file
from flowrun.spec.load import STDIN, LoadedFlow, load, name_of
from flowrun.spec.messages import join_alternatives
from flowrun.spec.problems import FlowError, Problem, Remark

# Finds further problems of a valid flow; may import hooks or query servers.
Check = Callable[[Flow], Iterable[Remark]]


class Checked(NamedTuple):
    """The flows that were checked, each once; their problems, by file and then in the order of the
    file; how many other YAML files of directories were skipped; the flows that could be read, by
    file."""

    files: list[Path]
    problems: list[Problem]
    skipped: int
    flows: dict[Path, Flow]


class Found(NamedTuple):
    """The flows of some paths, each once; the problems of paths without one; the other YAML files
    of directories."""

    files: list[Path]
    problems: list[Problem]
    others: set[Path]


def find_flows(paths: Sequence[str]) -> Found:
    """The flows in `paths`: files, `-` (standard input), directories, globs.

    Directories are searched for flows in *.yaml and *.yml at any depth; a file that is named is a
    flow, whatever it has. A path without a file is a problem, and so is a directory that cannot be
    read.
    """
    files: dict[Path, None] = {}
    skipped: set[Path] = set()
    problems: list[Problem] = []
    for path in paths:
        if os.path.isdir(path):
            refused: list[OSError] = []
            found, others = _flows_in(path, refused.append)
            problems += map(_unreadable, refused)
            message = "" if found or refused else _no_flow(len(others))
            skipped.update(others)
        else:
            found, message = _files(path)
        if message:
            near = None if os.path.lexists(path) else nearest_file(Path(path))
            hint = f"did you mean `{near}`?" if near else ""
            problems.append(Problem(message, path, hint=hint))
        files |= dict.fromkeys(found)
    return Found(list(files), problems, skipped - files.keys())


def find_flows_to_run(paths: Sequence[str]) -> Found:
    """`find_flows` without the tests, `*.test.yaml`, that are not named themselves: they are among
    the other files. Paths with nothing but tests are a problem."""
    found = find_flows(paths)
    named = {Path(path) for path in paths}
    tests = {file for file in found.files if is_test(file) and file not in named}
    files = [file for file in found.files if file not in tests]
    problems = found.problems
    if tests and not files:
        message = "the only flows here are tests (`*.test.yaml`)"
        problems = [*problems, Problem(message, ", ".join(paths), hint="`flowrun test` runs them")]
    return Found(files, problems, found.others | tests)


def validate_files(
    paths: Sequence[str],
    *,
    checks: Sequence[Check] = (),
    environ: Mapping[str, str] | None = None,
) -> Checked:
    """Validate the flows in `paths` (see `find_flows`).

    Flows that are valid so far are passed to `checks`, on the calling thread. A problem found by
    two of them, or in a file that two flows extend, is reported once. Without checks no user code
    runs.
    `environ` replaces the environment for `${NAME}`.
    """
    found = find_flows(paths)
    problems = list(found.problems)
    flows: dict[Path, Flow] = {}
    for file in found.files:
        try:
            loaded = load(file, environ=environ)
        except FlowError as error:
            problems += error.problems
        else:
            problems += _check(loaded, checks)
            flows[file] = loaded.flow
    named = [Path(name_of(file)) for file in found.files]
    return Checked(named, list(dict.fromkeys(problems)), len(found.others), flows)


def _check(loaded: LoadedFlow, checks: Sequence[Check]) -> list[Problem]:
    remarks = dict.fromkeys(remark for check in checks for remark in check(loaded.flow))
    problems = [*loaded.notes, *map(loaded.problem, remarks)]
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _unreadable(error: OSError) -> Problem:
    return Problem(f"this directory cannot be read: {error.strerror}", os.fspath(error.filename))


def _flows_in(folder: str, on_error: Callable[[OSError], None]) -> tuple[list[Path], list[Path]]:
    """The flows of a directory, and its other YAML files, also those that are only extended."""
    files = yaml_files(folder, on_error)
    flows = flows_among(files)
    return flows, [file for file in files if file not in flows]


def _no_flow(others: int) -> str:
    if not others:
        return "this directory has no flow (*.yaml, *.yml)"
    files = "its YAML file has none" if others == 1 else f"none of its {others} YAML files has one"
    return f"this directory has no flow: {files} of {join_alternatives(FLOW_KEYS)} at the top level"


def _files(path: str) -> tuple[list[Path], str]:
    """The files of one path that is not a directory, and the error if there are none."""
    if path == STDIN:
        return [Path(path)], ""
    if glob.has_magic(path) and not os.path.lexists(path):
        matches = sorted(filter(os.path.isfile, glob.glob(path, recursive=True)))
        return [Path(match) for match in matches], "" if matches else "no file matches this pattern"
    return ([Path(path)], "") if os.path.lexists(path) else ([], "there is no such file")
