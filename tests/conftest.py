"""What every test may use: real servers, and which tests run.

Real servers run in environments of their own, named by FLOWRUN_TRITON_PYTHON,
FLOWRUN_MLSERVER_PYTHON, FLOWRUN_MEDIAPIPE_PYTHON and FLOWRUN_RTSP_PYTHON (paths of the python
executables); FLOWRUN_CONTAINER_STORAGE is the folder with the container image. Xvfb, chromium,
mosquitto, prometheus and promtool are those on PATH. A test that needs a server which is missing is
skipped. With FLOWRUN_REQUIRE=all it fails, slow tests run too, and property tests take four times
as many examples.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from hypothesis import HealthCheck, settings

from flowrun.chain.fan_out import Queue, SinkBranch
from flowrun.chain.shutdown import Shutdown
from flowrun.chain.status import Status
from flowrun.frame import Frame, VideoInfo
from flowrun.kserve.wire import requests
from flowrun.ledger.ledger import Ledger
from flowrun.spec.flow import ExpectSpec, Flow, SinkSpec, SourceSpec, TransportSpec
from tests import testbed
from tests.testbed import prometheus as prometheus_server
from tests.testbed.container import STORAGE, Container
from tests.testbed.kserve import MLSERVER_PYTHON, TRITON_PYTHON, Triton, mlserver
from tests.testbed.nginx import RTMP_MODULE
from tests.testbed.process import READY_WITHIN, free_ports, tail
from tests.testbed.rtsp import RtspServer
from tests.testbed.xvfb import xvfb

REQUIRE_ALL = os.environ.get("FLOWRUN_REQUIRE") == "all"
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
    "mosquitto_executable": "mqtt",
    "rtmp_executable": "rtmp",
    "kubectl": "kubernetes",
    "helm": "kubernetes",
    "strict_schemas": "kubernetes",
    "container": "container",
    "ray": "ray",
}
LOGS: dict[str, Path] = {}  # fixture -> log of its server

# How long an example takes says something about the machine, not about the code.
settings.register_profile("all", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("some", settings.get_profile("all"), max_examples=25)
settings.load_profile("all" if REQUIRE_ALL else "some")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores, because many tests wait for other processes."""
    asked = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS")
    return int(asked) if asked else (os.cpu_count() or 1) + 1


def pytest_configure() -> None:
    """Programs that the tests start get the usual signals, also below `nohup`."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
            signal.signal(getattr(signal, name), handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that uses a server, and skip the slow ones."""
    skip = pytest.mark.skip(reason="slow; runs with FLOWRUN_REQUIRE=all")
    for item in items:
        for fixture, marker in MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        if item.get_closest_marker("slow") and not REQUIRE_ALL:
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the server's log to the report of a failed test."""
    report = yield
    if report.failed:
        for fixture, log in LOGS.items():
            if fixture in getattr(item, "fixturenames", ()):
                report.sections.append((f"log behind {fixture}", tail(log)))
    return report


@pytest.fixture(scope="session")
def triton_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Triton with all models of tests/testbed/run_triton.py, ready."""
    with Triton(_python(TRITON_PYTHON), tmp_path_factory.mktemp("triton")) as server:
        LOGS["triton_address"] = server.log
        yield server.address


@pytest.fixture
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """A Triton of the test's own with the model `identity`, ready, which may be killed and started
    again."""
    python, folder = _python(TRITON_PYTHON), tmp_path_factory.mktemp("triton")
    with Triton(python, folder, "identity") as server:
        LOGS["triton"] = server.log
        yield server


@pytest.fixture(scope="session")
def mlserver_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An MLServer with the models of tests/testbed/run_mlserver.py, ready."""
    python = _python(MLSERVER_PYTHON)
    log = LOGS["mlserver_address"] = tmp_path_factory.mktemp("mlserver") / "log"
    with mlserver(python, log) as address:
        yield address


@pytest.fixture(scope="session")
def free_address() -> Callable[[], str]:
    """An address of this machine on which nothing listens."""
    return lambda: f"127.0.0.1:{free_ports(1)[0]}"


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes in bytes of all messages that are joined from now on, by copying their parts."""
    found: list[int] = []
    join = requests.join

    def noting(*arguments: Any) -> bytes:
        data = join(*arguments)
        found.append(len(data))
        return data

    monkeypatch.setattr(requests, "join", noting)
    return found


class FakePart:
    """A source, a transport or a remote sink; it may be unavailable."""

    address = "rtsp://***@out/b"
    every, repeated, reconnects, reopened = 0.1, 5, 2, 3
    unavailable_since: datetime | None = None
    unavailable_s = 0.0
    overloaded_since: datetime | None = None

    def write(self, frame: Frame) -> None: ...
    def tick(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class FakeRun:
    """The status of a run whose clock, ledger and parts the test controls."""

    def __init__(self, name: str = "f", expect: ExpectSpec | None = None) -> None:
        self.now = 100.0
        self.ledger = Ledger(lambda: self.now)
        self.shutdown = Shutdown(1.0)
        flow = Flow(
            name=name,
            source=SourceSpec("rtsp://me:secret@in/a"),
            transport=TransportSpec(mode="stream", address=("one:1", "two:2"), model="m"),
            sinks=(SinkSpec("null"), SinkSpec("rtsp://me:secret@out/b")),
            expect=expect or ExpectSpec(),
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; modules imported from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        module = sys.modules[name]
        places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
        if any(Path(place).is_relative_to(tmp_path) for place in places):
            del sys.modules[name]  # other modules stay: imported twice, their classes differ


@pytest.fixture(scope="session")
def opencv() -> None:
    if importlib.util.find_spec("cv2") is None:
        _missing("opencv-python-headless is not installed")


@pytest.fixture(scope="session")
def pyav() -> None:
    if importlib.util.find_spec("av") is None:
        _missing("av is not installed")


@pytest.fixture(scope="session")
def ray() -> None:
    if importlib.util.find_spec("ray") is None:
        _missing("ray is not installed")


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
    """The folder with the models of tests/testbed/openvino_models.py: NAME.xml."""
    if importlib.util.find_spec("openvino") is None:
        _missing("openvino is not installed")
    folder = tmp_path_factory.mktemp("openvino")
    script = Path(testbed.__file__).with_name("openvino_models.py")
    subprocess.run([sys.executable, str(script), str(folder)], timeout=READY_WITHIN, check=True)
    return folder


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name (":7") of an X display of its own, 1280x1024, without a window manager."""
    executable = _executable("Xvfb")
    for needed in ("xdotool", "pygame"):
        if shutil.which(needed) is None and importlib.util.find_spec(needed) is None:
            _missing(f"{needed} is not installed")
    log = LOGS["display"] = tmp_path_factory.mktemp("display") / "log"
    with xvfb(executable, log) as name:
        yield name


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a browser."""
    return _executable("chromium")


@pytest.fixture(scope="session")
def nginx_executable() -> str:
    """The path of an nginx, which is not in the PATH of every user."""
    return _executable("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@pytest.fixture(scope="session")
def rtmp_executable(nginx_executable: str) -> str:
    """The path of an nginx with its module for RTMP."""
    if not RTMP_MODULE.exists():
        _missing(f"{RTMP_MODULE} is not installed")
    return nginx_executable


@pytest.fixture(scope="session")
def mosquitto_executable() -> str:
    """The path of the MQTT broker Mosquitto, which is not in the PATH of every user."""
    if importlib.util.find_spec("paho") is None:
        _missing("paho-mqtt is not installed")
    return _executable("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@pytest.fixture(scope="session")
def promtool() -> Callable[..., str]:
    """`promtool("check", "metrics", said=TEXT)`: its output, if it finds nothing wrong."""
    executable = _executable("promtool")

    def promtool(*words: str | Path, said: str = "") -> str:
        done = subprocess.run(
            [executable, *map(str, words)],
            input=said,
            capture_output=True,
            text=True,
            timeout=READY_WITHIN,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return promtool


@pytest.fixture
def prometheus(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., prometheus_server.Prometheus]]:
    """`prometheus(RULES, job=ADDRESS, …)`: a Prometheus that scrapes these addresses, ready."""
    executable = _executable("prometheus")
    with contextlib.ExitStack() as stack:

        def prometheus(rules: Path, **jobs: str) -> prometheus_server.Prometheus:
            log = LOGS["prometheus"] = tmp_path_factory.mktemp("prometheus") / "log"
            running = prometheus_server.prometheus(executable, log, rules, jobs)
            return stack.enter_context(running)

        yield prometheus


@pytest.fixture
def rtsp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RtspServer]]:
    """`rtsp_server()` or `rtsp_server(file=MP4)`: an RTSP server, not yet started."""
    python = _python("FLOWRUN_RTSP_PYTHON")
    with contextlib.ExitStack() as stack:

        def server(file: Path | None = None) -> RtspServer:
            server = RtspServer(python, tmp_path_factory.mktemp("rtsp"), file)
            LOGS["rtsp_server"] = server.log
            stack.callback(server.kill)
            return server

        yield server


@pytest.fixture(scope="session")
def kubectl() -> str:
    """The path of kubectl."""
    return _executable("kubectl")


@pytest.fixture(scope="session")
def helm() -> str:
    """The path of helm."""
    return _executable("helm")


@pytest.fixture(scope="session")
def strict_schemas() -> Callable[[dict[str, Any]], None]:
    """Validates a manifest against the published schemas; unknown keys are errors."""
    if importlib.util.find_spec("kubernetes_validate") is None:
        _missing("kubernetes-validate is not installed")
    validate = importlib.import_module("kubernetes_validate")
    version = validate.latest_version()
    return lambda manifest: validate.validate(manifest, version, strict=True)


@pytest.fixture(scope="session")
def container() -> Iterator[Container]:
    """A container of the image that .ci/image has built."""
    storage = os.environ.get(STORAGE)
    if not storage:
        _missing(f"{STORAGE} is not set")
    container = Container(_executable("buildah"), Path(storage))
    yield container
    container.close()


def _python(variable: str) -> str:
    python = os.environ.get(variable)
    if not python:
        _missing(f"{variable} is not set")
    return python


def _executable(name: str, path: str | None = None) -> str:
    found = shutil.which(name, path=path)
    if found is None:
        _missing(f"{name} is not on PATH")
    return found


def _missing(what: str) -> NoReturn:
    if REQUIRE_ALL:
        pytest.fail(f"{what}, and FLOWRUN_REQUIRE=all asks for every server")
    pytest.skip(what)
