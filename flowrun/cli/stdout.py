"""The output of commands, on standard output."""

from __future__ import annotations

import errno

from flowrun.cli.color import colored, has_color
from flowrun.cli.stderr import print_stderr
from flowrun.cli.streams import stdout, stdout_error
from flowrun.foreign import escaped


def print_stdout(text: str, *, color: bool = False) -> bool:
    """Print `text` and flush, with control characters escaped; with `color`, its errors have colors
    on a terminal. Whether it was written: if not, the reason is on standard error, unless the
    reader has closed a pipe."""
    text = escaped(text)
    return write_stdout((colored(text) if color and has_color(stdout()) else text) + "\n")


def write_stdout(text: str, *, name: str = "") -> bool:
    """`print_stdout` for `text` as it is. `name` is what has asked for it, such as `--summary -`:
    then any reason is an error."""
    try:
        print(text, end="", file=stdout(), flush=True)
        error = stdout_error()
    except OSError as raised:  # of a stream that is not guarded
        error = raised
    if error is not None and (name or error.errno != errno.EPIPE):
        start = f"error: {name}: " if name else ""
        print_stderr(f"flowrun: {start}standard output cannot be written: {error.strerror}")
    return error is None
