"""Triton and MLServer, each in an environment of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import grpc
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

from tests.testbed.process import Process, free_ports, running, wait_until_ready

TRITON_PYTHON = "FLOWRUN_TRITON_PYTHON"  # names a Python that has nvidia-pytriton
MLSERVER_PYTHON = "FLOWRUN_MLSERVER_PYTHON"  # names a Python that has mlserver
_HERE = Path(__file__).parent


class Triton:
    """A Triton with some of the models of `run_triton.py` (without names: with all). It may be
    killed and started again at the same address; `log` is that of the last start."""

    def __init__(self, python: str, folder: Path, *models: str) -> None:
        (self._port,) = free_ports(1)
        self.address = f"127.0.0.1:{self._port}"
        self.log = folder / "log"
        self._command = [python, str(_HERE / "run_triton.py"), str(self._port)]
        self._folder, self._models = folder, models
        self._starts = 0
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Triton:
        self.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.kill()

    def start(self) -> None:
        """Return when the server is ready. Raises `NotReadyError`."""
        self._starts += 1
        folder = self._folder / str(self._starts)
        folder.mkdir()
        command = [*self._command, str(folder), *self._models]
        try:
            process = self._running.enter_context(running(command, self.log))
            _wait(process, self.log, self.address)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        self._running.close()
        for leftover in Path("/dev/shm").glob(f"flowrun-{self._port}-*"):  # not removed by SIGKILL
            leftover.unlink()


@contextlib.contextmanager
def mlserver(python: str, log: Path) -> Iterator[str]:
    """The address of an MLServer with the models of `run_mlserver.py`, ready."""
    port, http_port = free_ports(2)
    command = [python, str(_HERE / "run_mlserver.py"), str(port), str(http_port)]
    with running(command, log) as process:
        _wait(process, log, f"127.0.0.1:{port}")
        yield f"127.0.0.1:{port}"


def _wait(process: Process, log: Path, address: str) -> None:
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]
    with grpc.insecure_channel(address, options=options) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)

        def is_ready() -> bool:
            with contextlib.suppress(grpc.RpcError):
                return bool(stub.ServerReady(pb.ServerReadyRequest(), timeout=5).ready)
            return False

        wait_until_ready(process, log, is_ready)
