"""Import the object that `package.module:name` names."""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
import sys
import sysconfig
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from flowrun.foreign import exception_text, is_ctrl_c, text_of, type_name
from flowrun.spec.search_path import SearchPath

_SEARCH_PATH = SearchPath()


class DottedPathError(LookupError):
    """A dotted path cannot be imported. `message` is one sentence without a final full stop that
    quotes the path; `hint` is what to do next, or empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def resolve(path: str, folders: Sequence[str] = ()) -> Any:
    """Import `package.module:name` and return its `name` (or `Class.name`).

    Modules are searched in the working directory, as with `python -m`, then in `folders`, those of
    the flow (see `SearchPath`), then in the installed packages. Runs the module's code, if it has
    not been imported yet, on the calling thread. Raises `DottedPathError` and nothing else.
    """
    module_name, colon, name = path.partition(":")
    parts = [*module_name.split("."), *name.split(".")]
    if not colon or not all(part.isidentifier() for part in parts):
        raise DottedPathError(
            f"{path!r} is not a dotted path", "write it as package.module:name, with one colon"
        )
    found: Any = _import(path, module_name, folders)
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise _no_attribute(path, found, part) from error
        except BaseException as error:  # a module or a class may compute its attributes
            text = f"looking up {part!r} (in {path!r}) raised {exception_text(error)}"
            raise _raised(text, error) from error
    return found


def raised_at(error: BaseException, caller: str = __file__) -> str:
    """`file:line` of the innermost stack frame of `error` that is user code: neither the standard
    library nor an installed package, unless there is no other. Frames of the file `caller`, which
    called the user's code, are skipped. Empty if no frame is left: the error comes from C."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{text_of(error.filename)}:{text_of(error.lineno)}"
    return innermost(
        [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != caller]
    )


def innermost(frames: Sequence[traceback.FrameSummary]) -> str:
    """`file:line` of the last one of `frames` that is user code (see `raised_at`), or empty."""
    named = [frame for frame in frames if not frame.filename.startswith("<")]
    own = [frame for frame in named if not _is_installed(frame.filename)]
    return "".join(f"{frame.filename}:{frame.lineno}" for frame in (own or named)[-1:])


def defined_at(target: Any) -> str:
    """`file:line` of the definition of a callable; empty if it has none, as one written in C."""
    try:
        target = inspect.unwrap(target)
        while isinstance(target, functools.partial):
            target = target.func
        if inspect.isclass(target) or not hasattr(target, "__code__"):
            target = (target if inspect.isclass(target) else type(target)).__call__
        code = target.__code__
        place = f"{code.co_filename}:{code.co_firstlineno}"
    except Exception:  # an object may answer anything
        return ""
    return place


def _import(path: str, module_name: str, folders: Sequence[str]) -> ModuleType:
    importlib.invalidate_caches()  # the module may be newer than Python's cached directory listing
    try:
        with _SEARCH_PATH.including(folders):
            return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise _no_module(path, error.name, folders) from error
        raise _import_raised(path, module_name, error) from error
    except BaseException as error:  # a script may call sys.exit
        raise _import_raised(path, module_name, error) from error


def _no_module(path: str, missing: str, folders: Sequence[str]) -> DottedPathError:
    parent_name, _, name = missing.rpartition(".")
    message = f"there is no module {missing!r} (in {path!r})"
    if not parent_name:
        searched = list(dict.fromkeys([str(Path.cwd()), *folders]))
        siblings = [module.name for module in pkgutil.iter_modules(searched)]
        where = f"looked in {', '.join(searched)} and in the installed packages"
        return DottedPathError(message, _suggestion(name, siblings) or where)
    package = getattr(sys.modules.get(parent_name), "__path__", None)
    if package is None:
        return DottedPathError(message, f"{parent_name!r} is a module, not a package")
    siblings = [module.name for module in pkgutil.iter_modules(package)]
    return DottedPathError(message, _suggestion(name, siblings))


def _no_attribute(path: str, owner: Any, name: str) -> DottedPathError:
    try:
        public = [each for each in dir(owner) if not each.startswith("_")]
        owner_name = getattr(owner, "__name__", type_name(owner))
        where = f"looked in {getattr(owner, '__file__', owner_name)}"
        return DottedPathError(
            f"{owner_name!r} has no {name!r} (in {path!r})", _suggestion(name, public) or where
        )
    except Exception:  # a module or a class may compute its attributes
        return DottedPathError(f"{type_name(owner)!r} has no {name!r} (in {path!r})")


def _import_raised(path: str, module_name: str, error: BaseException) -> DottedPathError:
    message = f"importing {module_name!r} (in {path!r}) raised {exception_text(error)}"
    return _raised(message, error)


def _raised(message: str, error: BaseException) -> DottedPathError:
    """The error for user code that raised `error`, which is raised again if it is Ctrl-C."""
    if is_ctrl_c(error):
        raise error
    place = raised_at(error)
    return DottedPathError(message, f"at {place}" if place else "")


def _suggestion(name: str, candidates: Iterable[str]) -> str:
    matches = difflib.get_close_matches(name, sorted(set(candidates)), n=1)
    return f"did you mean {matches[0]!r}?" if matches else ""


def _is_installed(filename: str) -> bool:
    paths = sysconfig.get_paths()
    roots = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(Path(filename).is_relative_to(root) for root in roots)
