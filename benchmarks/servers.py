"""The servers of the benchmarks, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.echo import MODEL
from tests.testbed.kserve import TRITON_PYTHON, Triton


@contextmanager
def serving(*models: str) -> Iterator[str]:
    """Run `flowrun serve` with these models until the end of the block; its address."""
    command = [sys.executable, "-m", "flowrun", "serve", *models, "--address", "127.0.0.1:0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r" at (\S+);", line)
            if found is None:
                raise RuntimeError(f"flowrun serve wrote {line!r}")
            yield found[1]
        finally:
            process.terminate()


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
        self.addresses["serve"] = self._running.enter_context(serving("identity"))
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
