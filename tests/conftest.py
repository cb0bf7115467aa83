"""Real servers for every test that asks for one.

They run in environments of their own, named by FLOWRUN_TRITON_PYTHON, FLOWRUN_MLSERVER_PYTHON,
FLOWRUN_MEDIAPIPE_PYTHON and FLOWRUN_RTSP_PYTHON (paths of the python executables); the display is
the Xvfb on PATH, the browser the chromium there, and so are prometheus and its promtool. A test
that needs a server that is not there is skipped, or fails if FLOWRUN_REQUIRE is "all".
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as stubs

from flowrun.chain.fan_out import Queue, SinkBranch
from flowrun.chain.shutdown import Shutdown
from flowrun.chain.status import Status
from flowrun.frame import Frame, VideoInfo
from flowrun.kserve.wire import messages
from flowrun.ledger.ledger import Ledger
from flowrun.media.ffmpeg.process import executable
from flowrun.spec.flow import Flow, SinkSpec, SourceSpec, TransportSpec

SERVERS = Path(__file__).parent / "servers"
STARTING = 60.0  # seconds until a server must be ready
MARKERS = {
    "triton_address": "triton",
    "triton": "triton",
    "mlserver_address": "mlserver",
    "mediapipe_python": "mediapipe",
    "rtsp_server": "rtsp",
    "display": "screen",
    "chromium": "browser",
    "prometheus": "prometheus",
    "promtool": "prometheus",
}
LOGS: dict[str, Path] = {}  # fixture -> log of its server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that uses a server, and skip the slow ones."""
    skip = pytest.mark.skip(reason="slow; runs with FLOWRUN_REQUIRE=all")
    for item in items:
        for fixture, marker in MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        if item.get_closest_marker("slow") and os.environ.get("FLOWRUN_REQUIRE") != "all":
            item.add_marker(skip)


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


class Triton:
    """A real Triton of a test's own with the model `identity`, which may be killed and started
    again at its address."""

    def __init__(self, python: str, folder: Path) -> None:
        (self.port,) = _free_ports(1)
        self.address = f"127.0.0.1:{self.port}"
        self._python = python
        self._folder = folder
        self._starts = 0
        self._running = contextlib.ExitStack()

    def start(self) -> None:
        """Returns when it is ready."""
        self._starts += 1
        folder = self._folder / str(self._starts)
        folder.mkdir()
        script = str(SERVERS / "run_triton.py")
        command = [self._python, script, str(self.port), str(folder), "identity"]
        self._running.enter_context(_running("triton", command, folder, self.port))

    def kill(self) -> None:
        self._running.close()
        for leftover in Path("/dev/shm").glob(f"flowrun-{self.port}-*"):
            leftover.unlink()


@pytest.fixture
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    server = Triton(_python("FLOWRUN_TRITON_PYTHON"), tmp_path_factory.mktemp("triton"))
    try:
        server.start()
        yield server
    finally:
        server.kill()


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
def free_address() -> Callable[[], str]:
    """An address of this machine that nobody listens at."""
    return lambda: f"127.0.0.1:{_free_ports(1)[0]}"


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of every message that is put together from now on, by copying what it carries."""
    found: list[int] = []
    join = messages.join

    def noting(*arguments: Any) -> bytes:
        data = join(*arguments)
        found.append(len(data))
        return data

    monkeypatch.setattr(messages, "join", noting)
    return found


class FakePart:
    """A source, a transport or a remote sink; it may be unavailable."""

    address = "rtsp://***@out/b"
    every, repeated, reconnects, reopened = 0.1, 5, 2, 3
    unavailable_since: datetime | None = None

    def write(self, frame: Frame) -> None: ...
    def tick(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class FakeRun:
    """The status of a run whose clock, ledger and parts the test controls."""

    def __init__(self, name: str = "f") -> None:
        self.now = 100.0
        self.ledger = Ledger(lambda: self.now)
        self.shutdown = Shutdown(1.0)
        flow = Flow(
            name=name,
            source=SourceSpec("rtsp://me:secret@in/a"),
            transport=TransportSpec(mode="stream", address=("one:1", "two:2"), model="m"),
            sinks=(SinkSpec("null"), SinkSpec("rtsp://me:secret@out/b")),
        )
        self.status = Status(flow, self.ledger, self.shutdown)
        self.source, self.transport, self.sink = FakePart(), FakePart(), FakePart()
        queue = Queue(capacity=4, when_full="drop_oldest", on=cast(Any, None))
        self.branches = (
            SinkBranch("sink[0]", FakePart(), delivered=4, dropped=5, failed=6),
            SinkBranch("sink[1]", self.sink, queue),
        )

    def open(self) -> None:
        status: Any = self.status
        status.source, status.transport = self.source, self.transport
        status.info = VideoInfo(640, 480, fps=25.0, live=True)
        status.branches = self.branches


@pytest.fixture(scope="session")
def fake_run() -> type[FakeRun]:
    """`fake_run()` or `fake_run(NAME)`: the status of a run before its parts are open."""
    return FakeRun


@pytest.fixture(scope="session")
def opencv() -> None:
    if importlib.util.find_spec("cv2") is None:
        _missing("opencv-python-headless is not installed")


@pytest.fixture(scope="session")
def pyav() -> None:
    if importlib.util.find_spec("av") is None:
        _missing("av is not installed")


@pytest.fixture(scope="session")
def mediapipe_python() -> str:
    return _python("FLOWRUN_MEDIAPIPE_PYTHON")


@pytest.fixture(scope="session")
def footage() -> Path:
    """The folder with real footage."""
    folder = os.environ.get("FLOWRUN_MEDIA")
    if folder:
        return Path(folder).resolve()
    pytest.skip("no footage: FLOWRUN_MEDIA names no folder")


@pytest.fixture(scope="session")
def openvino_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the models of servers/openvino_models.py: NAME.xml."""
    if importlib.util.find_spec("openvino") is None:
        _missing("openvino is not installed")
    folder = tmp_path_factory.mktemp("openvino")
    subprocess.run(
        [sys.executable, str(SERVERS / "openvino_models.py"), str(folder)],
        timeout=STARTING,
        check=True,
    )
    return folder


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name (":7") of an X display of its own, 1280x1024, without a window manager."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        _missing("Xvfb is not on PATH")
    for needed in ("xdotool", "pygame"):
        if shutil.which(needed) is None and importlib.util.find_spec(needed) is None:
            _missing(f"{needed} is not installed")
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


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a browser."""
    return _executable("chromium")


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """`promtool("check", "metrics", said=TEXT)`: what it has to say, if it finds nothing wrong."""
    executable = _executable("promtool")

    def promtool(*words: str | Path, said: str = "") -> str:
        done = subprocess.run(
            [executable, *map(str, words)],
            input=said,
            capture_output=True,
            text=True,
            timeout=STARTING,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return promtool


class Prometheus:
    """A real Prometheus that scrapes and evaluates rules five times a second."""

    def __init__(self, address: str) -> None:
        self._url = f"http://{address}/api/v1"

    def query(self, text: str, at: float) -> list[tuple[dict[str, str], float]]:
        """Labels and values at a time since the epoch, without those that are no number."""
        found = self._get("query", query=text, time=str(at))["result"]
        values = [(each["metric"], float(each["value"][1])) for each in found]
        return [(labels, value) for labels, value in values if value == value]  # noqa: PLR0124

    def rules(self) -> dict[str, tuple[str, str]]:
        """Health and state of each alert."""
        rules = [rule for group in self._get("rules")["groups"] for rule in group["rules"]]
        return {rule["name"]: (rule["health"], rule["state"]) for rule in rules}

    def _get(self, what: str, **parameters: str) -> Any:
        url = f"{self._url}/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=STARTING) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(f"{parameters}: {error.read().decode()}")


@pytest.fixture
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Prometheus]]:
    """`prometheus(RULES, job=ADDRESS, …)`: one that scrapes these addresses, ready."""
    executable = _executable("prometheus")
    with contextlib.ExitStack() as stack:

        def prometheus(rules: Path, **jobs: str) -> Prometheus:
            folder = tmp_path_factory.mktemp("prometheus")
            LOGS["prometheus"] = folder / "log"
            times = {"scrape_interval": "200ms", "scrape_timeout": "200ms"}
            config = {
                "global": {**times, "evaluation_interval": "200ms"},
                "rule_files": [str(rules)],
                "scrape_configs": [
                    {"job_name": job, "static_configs": [{"targets": [address]}]}
                    for job, address in jobs.items()
                ],
            }
            (folder / "prometheus.yml").write_text(json.dumps(config))  # which is YAML, too
            address = f"127.0.0.1:{_free_ports(1)[0]}"
            command = [executable, "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
            command.append(f"--web.listen-address={address}")
            process = stack.enter_context(_process(command, folder, folder / "log"))
            _wait_for_http(process, f"http://{address}/-/ready", folder / "log")
            return Prometheus(address)

        yield prometheus


class RtspServer:
    """A real RTSP server (see servers/run_rtsp.py) that can be taken away and brought back."""

    def __init__(self, python: str, folder: Path, file: Path | None) -> None:
        (self.port,) = _free_ports(1)
        self._folder, self._log = folder, folder / "log"
        self._log.touch()
        script = str(SERVERS / "run_rtsp.py")
        self._command = [python, script, str(self.port), str(folder)]
        self._command += ["--file", str(file)] if file else []
        self._running = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen, on the same port every time."""
        ready, given = os.pipe()
        with open(ready, "rb") as said:
            try:
                running = _process(self._command, self._folder, self._log, stdout=given)
                self._process = self._running.enter_context(running)
            finally:
                os.close(given)
            if not select.select([said], [], [], STARTING)[0] or said.readline() != b"ready\n":
                pytest.fail(f"{self._command!r} did not get ready\n{_tail(self._log)}")

    def kill(self) -> None:
        """End it at once, without a goodbye to anybody."""
        self._running.close()

    def pause(self) -> None:
        """From now on it neither sends nor answers, and its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> int:
        """Ask it to end; its status."""
        self._signal(signal.SIGTERM)
        assert self._process is not None
        return self._process.wait(STARTING)

    def url(self, mount: str) -> str:
        """`url("live")`; the mounts stand in servers/run_rtsp.py."""
        return f"rtsp://127.0.0.1:{self.port}/{mount}"

    def recordings(self, name: str) -> list[Path]:
        """What was sent to `record/NAME`, one file for each session, in their order."""
        files = self._folder.glob(f"{name}-*.mkv")
        return sorted(files, key=lambda path: int(path.stem.rpartition("-")[2]))

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@pytest.fixture
def rtsp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RtspServer]]:
    """`rtsp_server()` or `rtsp_server(file=MP4)`: a real RTSP server, not yet started."""
    python = _python("FLOWRUN_RTSP_PYTHON")
    with contextlib.ExitStack() as stack:

        def server(file: Path | None = None) -> RtspServer:
            folder = tmp_path_factory.mktemp("rtsp")
            LOGS["rtsp_server"] = folder / "log"
            server = RtspServer(python, folder, file)
            stack.callback(server.kill)
            return server

        yield server


@dataclass(frozen=True)
class Stamp:
    """What stands in a picture of `/live`. Times in ms: that at which the picture was made, by
    `time.monotonic()`, and that at which the recording shows it."""

    made: int
    number: int
    shown: float = 0.0


@pytest.fixture(scope="session")
def stamp() -> Callable[[Any], Stamp]:
    """Read the stamp of one picture, 640x360, grey or of several channels; an unreadable one is a
    ValueError."""

    def stamp(picture: Any) -> Stamp:
        rows = np.asarray(picture)[:40].reshape(2, 20, 32, 20, -1)
        blocks = rows[:, 5:15, :, 5:15].mean(axis=(1, 3, 4))  # their middles
        made, number_and_check = (int(row.dot(1 << np.arange(32)[::-1])) for row in blocks > 127)
        number, check = divmod(number_and_check, 1 << 16)
        if check != 0xFFFF ^ (made >> 16) ^ (made & 0xFFFF) ^ number:
            raise ValueError(f"no stamp: {blocks.round().tolist()}")
        return Stamp(made, number)

    return stamp


@pytest.fixture(scope="session")
def stamps(stamp: Callable[[Any], Stamp]) -> Callable[..., list[Stamp]]:
    """Read the stamps of all pictures of a recording of 16:9. With `others=True` pictures without
    a stamp may be among them and are left out."""

    def stamps(path: Path, *, others: bool = False) -> list[Stamp]:
        top = "crop=iw:ih/9:0:0,scale=640:40,format=gray"
        every = ("-map", "0:V:0", "-fps_mode", "passthrough")
        shown = ("-enc_time_base", "1:1000000", "-c:v", "wrapped_avframe", "-f", "framecrc")
        lines = path.with_suffix(".times")
        done = subprocess.run(
            [
                *(executable(), "-nostdin", "-loglevel", "error", "-copyts", "-i", str(path)),
                *(*every, "-vf", top, "-f", "rawvideo", "pipe:1", *every, *shown, str(lines)),
            ],
            capture_output=True,
            timeout=60,
            check=True,
        )
        times = re.findall(r"^0, +-?\d+, +(-?\d+)", lines.read_text(), re.MULTILINE)
        lines.unlink()
        pictures = np.frombuffer(done.stdout, np.uint8).reshape(len(times), 40, 640)
        found = []
        for picture, micros in zip(pictures, times, strict=True):
            with contextlib.suppress(ValueError) if others else contextlib.nullcontext():
                found.append(replace(stamp(picture), shown=int(micros) / 1000))
        return found

    return stamps


def _python(variable: str) -> str:
    python = os.environ.get(variable)
    if not python:
        _missing(f"{variable} is not set")
    return python


def _executable(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        _missing(f"{name} is not on PATH")
    return found


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
    command: list[str],
    folder: Path,
    log: Path,
    *,
    stdout: int | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output if stdout is None else stdout,
            stderr=output,
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


def _wait_for_http(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(0.1)
            pytest.fail(f"{process.args!r} ended with status {status}\n{_tail(log)}")
    pytest.fail(f"{process.args!r} was not ready within {STARTING:.0f} s\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_bytes()[-8000:].decode(errors="replace")
