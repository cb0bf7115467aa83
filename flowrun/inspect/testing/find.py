"""Find the tests in paths."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from flowrun.errors import UsageError
from flowrun.spec.flow_files import TEST_SUFFIXES, is_test, yaml_files
from flowrun.spec.flow_reading import nearest_file

_NAMES = "`*.test.yaml`"


def find_tests(paths: Sequence[str]) -> list[Path]:
    """The tests in `paths`, each once: files, globs, and directories, which are searched at any
    depth. Raises `UsageError` for a path without a test."""
    found: dict[str, Path] = {}  # by absolute path
    for path in paths:
        if os.path.isdir(path):
            tests = [file for file in yaml_files(path) if is_test(file)]
        elif glob.has_magic(path) and not os.path.lexists(path):
            files = map(Path, sorted(glob.glob(path, recursive=True)))
            tests = [file for file in files if is_test(file) and file.is_file()]
        elif not os.path.lexists(path):
            near = nearest_file(Path(path))
            hint = f"did you mean `{near}`?" if near else None
            raise UsageError(f"there is no such file: {path}", hint=hint)
        elif not is_test(Path(path)):
            raise UsageError(
                f"{path} is not a test", hint=f"tests are files whose names are like {_NAMES}"
            )
        else:
            tests = [Path(path)]
        for test in tests:
            found.setdefault(os.path.abspath(test), test)
    if not found:
        raise UsageError(
            f"there is no test in {', '.join(paths)}",
            hint=f"tests are files whose names are like {_NAMES}",
        )
    return list(found.values())


def name_of(path: Path) -> str:
    """`door` for flows/door.test.yaml."""
    suffix = next(each for each in TEST_SUFFIXES if path.name.endswith(each))
    return path.name.removesuffix(suffix)
