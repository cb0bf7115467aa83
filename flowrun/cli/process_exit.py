"""The end of the process: within a time limit, whatever the user's code has left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

from flowrun.cli.stderr import print_stderr

EXIT_TIMEOUT = 2.0  # seconds that Python's exit may take: threads, exit handlers, destructors
_PRINT_TIMEOUT = 0.3  # seconds; standard error may block

_lock = threading.Lock()
_owns_process = _is_ending = False


def owns_process() -> None:
    """The process is this command's: it may be ended."""
    global _owns_process  # noqa: PLW0603
    _owns_process = True


def exit_within(code: int, seconds: float = EXIT_TIMEOUT) -> None:
    """End the process with `code` if it has not ended by itself in `seconds`, or at a signal; the
    first call counts. Without effect where the process is another program's."""
    global _is_ending  # noqa: PLW0603
    with _lock:
        if not _owns_process or _is_ending:
            return
        _is_ending = True
    threading.Thread(
        target=_exit_after, args=(code, seconds), name="flowrun-exit", daemon=True
    ).start()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: _exit_after(code, 0))


def _exit_after(code: int, seconds: float) -> None:
    time.sleep(seconds)
    force_exit(code, [f"{each} has not ended" for each in _unfinished()])


def force_exit(code: int, reasons: list[str]) -> None:
    """End the process now; `reasons` say what it does not wait for."""
    text = "\n".join(f"flowrun: {reason}; exiting without waiting" for reason in reasons)
    try:
        within(_PRINT_TIMEOUT, lambda: print_stderr(text))
    finally:
        os._exit(code)


def within(seconds: float, act: Callable[[], None]) -> None:
    """Do `act`, and wait for it for at most `seconds`: it may write to a terminal that blocks."""
    thread = threading.Thread(target=act, name="flowrun-write", daemon=True)
    thread.start()
    thread.join(seconds)


def main_place() -> str:
    """What the main thread executes: `postprocess[0]: my_hooks:Late (/home/ann/my_hooks.py:7)`, or
    empty if that is no code of a hook."""
    place = _place(threading.main_thread())
    return place.removeprefix(" of ") if place.startswith(" of ") else ""


def _unfinished() -> list[str]:
    """What Python's exit waits for: threads, or else child processes, which are killed, or else an
    exit handler or a destructor."""
    main = threading.main_thread()
    threads = [each for each in threading.enumerate() if not each.daemon and each is not main]
    if threads:
        return [f"thread {each.name!r}{_place(each)}" for each in threads]
    multiprocessing = sys.modules.get("multiprocessing")
    children = multiprocessing.active_children() if multiprocessing else []
    if children:
        from flowrun.hooks.guard import user_hooks

        for child in children:
            child.kill()  # Python would wait for it; nobody else knows it
        hooks = " or ".join(user_hooks()) or "a hook"
        return [f"process {each.name!r} of {hooks}" for each in children]
    return [f"an exit handler or a destructor{_place(main)}"]


def _place(thread: threading.Thread) -> str:
    """Where `thread` is, and the hooks that are defined in that file."""
    from flowrun.hooks.guard import hooks_of
    from flowrun.spec.dotted_path import innermost

    frame = sys._current_frames().get(thread.ident or 0)
    line = innermost(traceback.extract_stack(frame)) if frame is not None else ""
    hooks = hooks_of(line.rpartition(":")[0])
    return (f" of {' or '.join(hooks)}" if hooks else "") + (f" ({line})" if line else "")
