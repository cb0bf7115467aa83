"""The one place that calls the code of hooks.

What it raises becomes an error of the flow, and a call that has not returned can be named.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flowrun.errors import HookError, InvalidFlowError
from flowrun.foreign import exception_text, is_ctrl_c
from flowrun.spec.dotted_path import innermost, raised_at

_hooks: dict[str, list[str]] = {}  # the hooks of this process, by the file of their definition


def note_definition(place: str, name: str) -> None:
    """The hook `name` is defined at `place`, which is `file:line`."""
    names = _hooks.setdefault(place.rpartition(":")[0], [])
    if name not in names:
        names.append(name)


def hooks_of(file: str) -> list[str]:
    """The hooks that are defined in `file`."""
    return _hooks.get(file, [])


def user_hooks() -> list[str]:
    """The hooks that are not those of flowrun."""
    return [name for names in _hooks.values() for name in names if ": flowrun." not in name]


_process = os.getpid()  # without a call of the system for every frame


def _note_fork() -> None:
    global _process  # noqa: PLW0603
    _process = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


class CallsInProgress:
    """The calls of hooks that are in progress, by thread. Any thread."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[str, str, str | int]] = {}

    def call(
        self, key: str, path: str, when: str | int, function: Callable[..., Any], *values: Any
    ) -> Any:
        """Call `function`, code of the hook `path`; `when` is the frame's index, or words such as
        `in its constructor`. Whatever it raises becomes a `HookError` (an `InvalidFlowError` if
        it raised one), except for Ctrl-C where no run handles it. A process that the hook has
        forked, and in which it returns or raises, ends here."""
        thread, process = threading.get_ident(), _process
        self._running[thread] = (key, path, when)
        try:
            return function(*values)
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            raise _as_flow_error(error, key, path, when) from error
        finally:
            self._running.pop(thread, None)
            if _process != process:
                _end_child(f"{key}: {path} {_words(when)}", sys.exc_info()[1])

    @contextmanager
    def entered(self, key: str, path: str, when: str) -> Iterator[None]:
        """The code inside runs code of the hook `path`, and handles what that raises."""
        self._running[threading.get_ident()] = (key, path, when)
        try:
            yield
        finally:
            self._running.pop(threading.get_ident(), None)

    def unreturned(self) -> list[str]:
        """Each call that is in progress, such as `preprocess[0]: my_hooks:slow at frame 5
        (/home/ann/my_hooks.py:12)`, with the line that it executes."""
        frames = sys._current_frames()
        found = []
        for thread, (key, path, when) in list(self._running.items()):
            stack = traceback.extract_stack(frames[thread]) if thread in frames else []
            files = [frame.filename for frame in stack]
            own = len(files) - files[::-1].index(__file__) if __file__ in files else 0
            line = innermost(stack[own:])
            found.append(f"{key}: {path} {_words(when)}{f' ({line})' if line else ''}")
        return found


def _end_child(call: str, error: BaseException | None) -> None:
    """End this process, a copy of the run's: it has none of its threads, but its open files."""
    what = f"raised in it: {exception_text(error)}" if error else "returned in it"
    try:
        text = f"flowrun: warning: {call} forked a process and {what}; the process ends\n"
        os.write(2, text.encode(errors="replace"))  # the locks of streams may be held
    finally:
        os._exit(1)


def _as_flow_error(
    error: BaseException, key: str, path: str, when: str | int
) -> HookError | InvalidFlowError:
    if isinstance(error, InvalidFlowError):  # its key is the name of an option
        option = f"{key}.with.{error.key}" if error.key else f"{key}.with"
        return InvalidFlowError(error.message, key=option, hint=error.hint)
    line = raised_at(error, __file__)  # empty for a callable written in C
    at = f" ({line})" if line else ""
    return HookError(f"{path} raised {exception_text(error)} {_words(when)}{at}", key=key)


def _words(when: str | int) -> str:
    return f"at frame {when}" if isinstance(when, int) else when
