"""Real servers for every test that asks for one.

They run in environments of their own, named by FLOWRUN_TRITON_PYTHON and FLOWRUN_MLSERVER_PYTHON
(paths of the python executables). A test that needs a server that is not there is skipped, or
fails if FLOWRUN_REQUIRE is "all".
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

SERVERS = Path(__file__).parent / "servers"
STARTING = 60.0  # seconds until a server must be ready
MARKERS = {"triton_address": "triton", "mlserver_address": "mlserver"}
LOGS: dict[str, Path] = {}  # fixture -> log of its server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever uses a server bears its marker."""
    for item in items:
        for fixture, marker in MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failing test shows the end of the log of the server that it used."""
    report = yield
    if report.failed:
        for fixture, log in LOGS.items():
            if fixture in getattr(item, "fixturenames", ()):
                report.sections.append((f"log behind {fixture}", _tail(log)))
    return report


@pytest.fixture(scope="session")
def triton_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Triton with the models of servers/run_triton.py, ready."""
    python = _python("FLOWRUN_TRITON_PYTHON")
    folder = tmp_path_factory.mktemp("triton")
    (port,) = _free_ports(1)
    command = [python, str(SERVERS / "run_triton.py"), str(port), str(folder)]
    try:
        with _running("triton_address", command, folder, port):
            yield f"127.0.0.1:{port}"
    finally:  # a Triton that was killed leaves its shared memory behind
        for leftover in Path("/dev/shm").glob(f"flowrun-{port}-*"):
            leftover.unlink()


@pytest.fixture(scope="session")
def mlserver_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLServer with the models of servers/run_mlserver.py, ready."""
    python = _python("FLOWRUN_MLSERVER_PYTHON")
    folder = tmp_path_factory.mktemp("mlserver")
    port, http_port = _free_ports(2)
    command = [python, str(SERVERS / "run_mlserver.py"), str(port), str(http_port)]
    with _running("mlserver_address", command, folder, port):
        yield f"127.0.0.1:{port}"


def _python(variable: str) -> str:
    python = os.environ.get(variable)
    if python:
        return python
    if os.environ.get("FLOWRUN_REQUIRE") == "all":
        pytest.fail(f"{variable} is not set, and FLOWRUN_REQUIRE=all asks for every server")
    pytest.skip(f"{variable} is not set")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def _running(fixture: str, command: list[str], folder: Path, port: int) -> Iterator[None]:
    """The server while the block runs, in a process group of its own; nothing of it afterwards."""
    log = LOGS[fixture] = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, port, log)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + STARTING
    options = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        while time.monotonic() < end:
            with contextlib.suppress(grpc.RpcError):
                if stub.ServerReady(pb.ServerReadyRequest(), timeout=5).ready:
                    return
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(0.1)
                pytest.fail(f"{process.args!r} ended with status {status}\n{_tail(log)}")
    pytest.fail(f"{process.args!r} was not ready within {STARTING:.0f} s\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_bytes()[-8000:].decode(errors="replace")
