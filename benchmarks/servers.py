"""The servers that clients are measured against, each a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

from benchmarks.echo import MODEL

TRITON = "FLOWRUN_TRITON_PYTHON"  # names a Python that has nvidia-pytriton
STARTING = 60.0  # seconds until Triton must be ready

_RUN_TRITON = Path(__file__).parents[1] / "tests/servers/run_triton.py"


class Servers:
    """The echo servers, `flowrun serve identity` and, where `TRITON` names its Python, a real
    Triton with the model identity, until the end of the block; idle ones cost nothing.
    `addresses` has them by name, `missing` says why one is not among them.

    Raises `RuntimeError` with its words if one does not start.
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
        said = serve.stderr.readline()
        found = re.search(r" at (\S+);", said)
        if found is None:
            raise RuntimeError(f"flowrun serve said {said!r}")
        self.addresses["serve"] = found[1]
        if python := os.environ.get(TRITON):
            self.addresses["triton"] = self._start_triton(python)
        else:
            self.missing["triton"] = f"{TRITON} names no Python that has nvidia-pytriton"

    def _start(self, *words: str, **pipes: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", *words], stdin=subprocess.PIPE, text=True, **pipes
        )
        self._running.enter_context(process)  # which waits for its end
        self._running.callback(process.terminate)
        return process

    def _start_triton(self, python: str) -> str:
        folder = Path(self._running.enter_context(tempfile.TemporaryDirectory()))
        port = _free_port()
        self._running.callback(_clean_up, port)
        command = [python, str(_RUN_TRITON), str(port), str(folder), MODEL]
        with (folder / "log").open("wb") as log:
            process = self._running.enter_context(
                subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        self._running.callback(_kill, process)
        address = f"127.0.0.1:{port}"
        end = time.monotonic() + STARTING
        with grpc.insecure_channel(address) as channel:
            stub = stubs.GRPCInferenceServiceStub(channel)
            while time.monotonic() < end and process.poll() is None:
                with suppress(grpc.RpcError):
                    if stub.ServerReady(pb.ServerReadyRequest(), timeout=1).ready:
                        return address
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
        said = (folder / "log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"Triton did not get ready:\n{said}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


def _kill(process: subprocess.Popen[bytes]) -> None:
    """With the processes of its models, which are in its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _clean_up(port: int) -> None:
    """A Triton that was killed leaves its shared memory behind."""
    for leftover in Path("/dev/shm").glob(f"flowrun-{port}-*"):
        leftover.unlink()
