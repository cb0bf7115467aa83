"""An X display without a screen."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.testbed.process import READY_WITHIN, first_line, running


@contextlib.contextmanager
def xvfb(executable: str, log: Path) -> Iterator[str]:
    """The name (":7") of an X display of its own, 1280x1024, without a window manager."""
    number, given = os.pipe()
    # -noreset: the display does not start over when its last window closes.
    command = [executable, "-displayfd", str(given), "-screen", "0", "1280x1024x24"]
    command += ["-noreset", "-nolisten", "tcp"]
    with open(number, "rb") as pipe, contextlib.ExitStack() as stack:
        try:
            process = stack.enter_context(running(command, log, pass_fds=(given,)))
        finally:
            os.close(given)
        yield f":{first_line(process, log, pipe)}"
        process.terminate()  # SIGKILL would leave its socket and its lock file in /tmp
        process.wait(READY_WITHIN)
