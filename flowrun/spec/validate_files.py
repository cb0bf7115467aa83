"""Validate many flow files at once."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from flowrun.spec.flow import Flow
from flowrun.spec.load import load
from flowrun.spec.problems import FlowError, Problem, Remark

# Finds further problems of a valid flow; may import hooks or query servers.
Check = Callable[[Flow], Iterable[Remark]]

_SUFFIXES = (".yaml", ".yml")


def validate_files(
    paths: Sequence[str],
    *,
    checks: Sequence[Check] = (),
    environ: Mapping[str, str] | None = None,
) -> tuple[list[Path], list[Problem]]:
    """The flow files in `paths` (files, directories, globs), each once, and their problems, by file
    and then in the order of the file.

    Directories are searched for *.yaml and *.yml at any depth. A path without a file is a problem.
    Flows that are valid so far are passed to `checks`, on the calling thread; a problem found by
    two of them is reported once. Without checks no user code runs.
    `environ` replaces the environment for `${NAME}`.
    """
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    for path in paths:
        found, message = _files(path)
        if message:
            problems.append(Problem(message, path))
        files |= dict.fromkeys(found)
    for file in files:
        problems += _check(file, checks, environ)
    return list(files), problems


def _check(file: Path, checks: Sequence[Check], environ: Mapping[str, str] | None) -> list[Problem]:
    try:
        loaded = load(file, environ=environ)
    except FlowError as error:
        return list(error.problems)
    remarks = dict.fromkeys(remark for check in checks for remark in check(loaded.flow))
    problems = map(loaded.problem, remarks)
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _files(path: str) -> tuple[list[Path], str]:
    """The files of one path, and the error if there are none."""
    if os.path.isdir(path):
        found = sorted(
            Path(folder, name)
            for folder, _, names in os.walk(path)
            for name in names
            if name.endswith(_SUFFIXES) and os.path.isfile(os.path.join(folder, name))
        )
        return found, "" if found else "this directory has no flow (*.yaml, *.yml)"
    if glob.has_magic(path) and not os.path.lexists(path):
        matches = sorted(filter(os.path.isfile, glob.glob(path, recursive=True)))
        return [Path(match) for match in matches], "" if matches else "no file matches this pattern"
    return ([Path(path)], "") if os.path.lexists(path) else ([], "there is no such file")
