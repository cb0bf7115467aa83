"""Real servers for every test that asks for one.

They run in environments of their own, named by FLOWRUN_TRITON_PYTHON and FLOWRUN_MLSERVER_PYTHON
(paths of the python executables); the display is the Xvfb on PATH. A test that needs a server that
is not there is skipped, or fails if FLOWRUN_REQUIRE is "all".
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NoReturn

import grpc
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

SERVERS = Path(__file__).parent / "servers"
STARTING = 60.0  # seconds until a server must be ready
MARKERS = {"triton_address": "triton", "mlserver_address": "mlserver", "display": "screen"}
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


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name (":7") of an X display of its own, 1280x1024, without a window manager."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        _missing("Xvfb is not on PATH")
    log = LOGS["display"] = tmp_path_factory.mktemp("display") / "log"
    number, given = os.pipe()
    # -noreset: the last window may close without the display starting over.
    command = [xvfb, "-displayfd", str(given), "-screen", "0", "1280x1024x24", "-noreset"]
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, number)
        try:
            command = [*command, "-nolisten", "tcp"]
            process = stack.enter_context(_process(command, log.parent, log, pass_fds=(given,)))
        finally:
            os.close(given)
        if not select.select([number], [], [], STARTING)[0]:
            pytest.fail(f"Xvfb had no display within {STARTING:.0f} s\n{_tail(log)}")
        name = os.read(number, 100).decode().strip()
        if not name:
            pytest.fail(f"Xvfb ended before it had a display\n{_tail(log)}")
        yield f":{name}"
        process.terminate()  # killed, it would leave its socket and its lock in /tmp
        process.wait(STARTING)


def _python(variable: str) -> str:
    python = os.environ.get(variable)
    if not python:
        _missing(f"{variable} is not set")
    return python


def _missing(what: str) -> NoReturn:
    if os.environ.get("FLOWRUN_REQUIRE") == "all":
        pytest.fail(f"{what}, and FLOWRUN_REQUIRE=all asks for every server")
    pytest.skip(what)


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
    with _process(command, folder, log) as process:
        _wait_until_ready(process, port, log)
        yield


@contextlib.contextmanager
def _process(
    command: list[str], folder: Path, log: Path, pass_fds: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    try:
        yield process
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
