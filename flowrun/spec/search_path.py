"""The directories in which the modules of a flow are searched."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

_PACKAGES = ("site-packages", "dist-packages")


class SearchPath:
    """The working directory and the folders of one flow on `sys.path`. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._folders: list[str] = []  # on `sys.path` for a flow

    @contextlib.contextmanager
    def including(self, folders: Sequence[str]) -> Iterator[None]:
        """Search the working directory first, then the standard library, `folders`, absolute, and
        the installed packages.

        The folders stay on `sys.path` until another flow has others; its modules may have the same
        names, so those that were imported from the folders of the earlier flow are forgotten.
        """
        with self._lock:
            directory = str(Path.cwd())
            if directory not in sys.path:
                sys.path.insert(0, directory)
            for folder in self._folders:
                sys.path[:] = [entry for entry in sys.path if entry != folder]
                if folder not in folders:
                    _forget_modules(folder)
            self._folders = [folder for folder in folders if folder not in sys.path]
            index = _index_of_packages()
            sys.path[index:index] = self._folders
            yield


def _index_of_packages() -> int:
    """The index in `sys.path` of the first directory with installed packages."""
    packages = [os.path.basename(entry) in _PACKAGES for entry in sys.path]
    return packages.index(True) if True in packages else len(packages)


def _forget_modules(folder: str) -> None:
    for name in [name for name, module in sys.modules.items() if _is_in(module, folder)]:
        for each in [each for each in sys.modules if f"{each}.".startswith(f"{name}.")]:
            del sys.modules[each]


def _is_in(module: object, folder: str) -> bool:
    """Whether a module, or a package, is in `folder` itself."""
    if not isinstance(module, ModuleType):
        return False
    file, is_package = vars(module).get("__file__"), "__path__" in vars(module)
    if not isinstance(file, str):
        return False
    parent = os.path.dirname(file)
    return (os.path.dirname(parent) if is_package else parent) == folder
