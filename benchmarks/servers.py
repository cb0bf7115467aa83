"""The servers of the benchmarks, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.echo import MODEL
from tests.testbed.kserve import TRITON_PYTHON, Triton


class Servers:
    """Run the echo servers, `flowrun serve identity` and, if `TRITON_PYTHON` is set, a Triton with
    the model identity until the end of the block; idle servers cost nothing. `addresses` has them
    by name, `missing` the reason why one is not among them.

    Raises `RuntimeError` with the server's output if one does not start.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self._running = ExitStack()

    def __enter__(self) -> Servers:
        try:
            self._start_all()
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(self, *_raised: object) -> None:
        self._running.close()

    def _start_all(self) -> None:
        echo = self._start("benchmarks.echo", stdout=subprocess.PIPE)
        assert echo.stdout is not None
        self.addresses |= json.loads(echo.stdout.readline())
        serve = self._start(
            *("flowrun", "serve", "identity", "--address", "127.0.0.1:0"), stderr=subprocess.PIPE
        )
        assert serve.stderr is not None
        line = serve.stderr.readline()
        found = re.search(r" at (\S+);", line)
        if found is None:
            raise RuntimeError(f"flowrun serve wrote {line!r}")
        self.addresses["serve"] = found[1]
        if python := os.environ.get(TRITON_PYTHON):
            folder = Path(self._running.enter_context(tempfile.TemporaryDirectory()))
            triton = self._running.enter_context(Triton(python, folder, MODEL))
            self.addresses["triton"] = triton.address
        else:
            self.missing["triton"] = f"{TRITON_PYTHON} names no Python that has nvidia-pytriton"

    def _start(self, *words: str, **pipes: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdin=subprocess.PIPE, text=True, **pipes
        )
        self._running.enter_context(process)  # waits for its end
        self._running.callback(process.terminate)
        return process
