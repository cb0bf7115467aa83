"""The processes of tests: their time limit and their end."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowrun.inspect.testing.processes import CancelledError, Processes

LIMIT = 30.0  # seconds, a guard against hanging
FOREVER = ("http.server", "--bind", "127.0.0.1", "0")
CONNECT = """\
import socket, time
held = socket.create_connection(('127.0.0.1', {port}))
print("connected", flush=True)
time.sleep(600)
"""
CHILD = """\
import subprocess, sys
subprocess.Popen([sys.executable, "-c", {code!r}], stdout=subprocess.PIPE).stdout.readline()
"""
STUBBORN = """\
import signal
def count(*_):
    signal.signal(signal.SIGTERM, lambda *_: (print("twice", flush=True), exit(1)))
signal.signal(signal.SIGTERM, count)
"""

posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no groups of processes")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Processes connect to it, and their connections end with them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)
        yield server


def code(text: str) -> tuple[str, ...]:
    """The words of a process that runs `text`."""
    return ("timeit", "-n1", "-r1", text)


def connected(listener: socket.socket) -> str:
    """Code that connects to `listener`, and stays."""
    return CONNECT.format(port=listener.getsockname()[1])


def test_the_output_and_the_exit_code_are_those_of_the_process(tmp_path: Path) -> None:
    ended = Processes(60.0).run(["base64", "-h"], tmp_path)
    assert ended.code == 0
    assert "usage" in ended.output


def test_a_process_is_ended_at_its_time_limit(tmp_path: Path) -> None:
    assert Processes(0.1).run(FOREVER, tmp_path).code is None


def test_the_end_of_all_ends_those_that_run_and_starts_no_more(tmp_path: Path) -> None:
    processes = Processes(60.0)
    raised: list[Exception] = []

    def run() -> None:
        try:
            processes.run(FOREVER, tmp_path)
        except CancelledError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    processes.end()
    thread.join(LIMIT)
    assert not thread.is_alive()
    assert len(raised) == 1
    with pytest.raises(CancelledError):
        processes.run(FOREVER, tmp_path)


@posix
def test_what_a_process_has_started_ends_with_it(tmp_path: Path, listener: socket.socket) -> None:
    child = CHILD.format(code=connected(listener))
    processes = Processes(LIMIT)
    thread = threading.Thread(target=processes.run, args=(code(child), tmp_path))
    thread.start()
    with listener.accept()[0] as held:
        held.settimeout(LIMIT)
        assert held.recv(1) == b""
    thread.join(LIMIT)


@posix
def test_a_process_gets_a_second_signal_before_it_is_killed(
    tmp_path: Path, listener: socket.socket
) -> None:
    processes = Processes(LIMIT)

    def run() -> None:
        with pytest.raises(CancelledError):
            processes.run(code(STUBBORN + connected(listener)), tmp_path)

    thread = threading.Thread(target=run)
    thread.start()
    with listener.accept()[0]:
        processes.end()
    thread.join(LIMIT)
    assert "twice" in (tmp_path / "output").read_text()
